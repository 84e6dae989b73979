"""The one file that writes to sockets past the library's own send. Talks to sockets.

`websockets` has no bounded, synchronous write of a shared frame, and its `drain()` waits without end for a peer
that does not read. The attributes relied on are held by tests/server/test_gateway_library.py to the pinned release:
`protocol.state`, `protocol.send_close`, `send_data`, `send_in_progress`, `paused`, `transport`,
`recv_messages.paused/pause/resume`, `protocol.extensions`, `request`, `response`.
"""

import asyncio
import os
import random
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.http11 import Request
from websockets.protocol import OPEN

from chat.close_codes import CloseCode
from chat.codec import encode_event, join_events
from chat.outbox import Outbox
from chat.shared_frame import SharedFrame
from server.gateway.counters import GatewayCounters
from server.gateway.frames import text_frame


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How much may wait for one viewer, and for how long."""

    buffer_bytes: int = 64 * 1024
    outbox_bytes: int = 64 * 1024
    stall_s: float = 5.0
    close_s: float = 2.0


_ANY_REQUEST = Request("", Headers())


class RawConnection(ServerConnection):
    """A server connection that takes shared frames without waiting and gives up on a peer that does not read.

    `offer` and `end` never wait and never raise. While the transport is paused nothing is read either, so a
    peer that floods pings cannot make the library buffer pongs; when it stays paused for `stall_s` it is aborted.
    """

    def __init__(
        self, *args: Any, limits: WriteLimits, counters: GatewayCounters, sockets: "set[RawConnection]", **kwargs: Any
    ) -> None:
        """`sockets` holds every connection from accept to loss, those in their handshake too."""
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._counters = counters
        # Made when it is first needed: most connections never queue anything.
        self._outbox: Outbox | None = None
        self._window_bits = 0
        self._handle = -1
        self._abort_timer: asyncio.TimerHandle | None = None
        self._ending = False
        self._sockets = sockets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sockets.add(self)
        # The reader must not resume a socket that is paused because its writes do not go out.
        self.recv_messages.resume = self._resume_reading

    def settle(self) -> None:
        """Take note of what the handshake agreed on, and let go of its headers; to be called once it is done."""
        # The library asks whether there was a request; it no longer asks which.
        self.request, self.response = _ANY_REQUEST, None
        if self.transport.get_extra_info("sslcontext") is None:
            self._handle = self.transport.get_extra_info("socket").fileno()
        for extension in self.protocol.extensions:
            if isinstance(extension, PerMessageDeflate) and extension.local_no_context_takeover:
                self._window_bits = extension.local_max_window_bits

    def offer(self, frame: SharedFrame) -> None:
        """Write a shared frame, or queue it, or end a connection whose queue is full however much is shed.

        Run for every viewer and frame, so it is one function without detours. While the transport holds nothing the
        write goes to the socket itself; the rest, and every error, is the transport's.
        """
        if self._ending or self.protocol.state is not OPEN:
            return
        # We only ever write whole frames; the library's fragmented `send` is never used beside this.
        assert self.send_in_progress is None
        transport = self.transport
        # Below the write limit a transport is never paused, so it holds at most the limit and one frame; no await
        # stands between this check and the write, so the handle is still this connection's own.
        if self.paused or self._outbox or transport.is_closing():
            self._queue(frame)
            return
        data = frame.by_window.get(self._window_bits) or frame.for_window(self._window_bits)
        counters = self._counters
        counters.frames_out += 1
        counters.bytes_out += len(data)
        sent = 0
        if self._handle >= 0 and transport.get_write_buffer_size() == 0:
            try:
                sent = os.write(self._handle, data)
            except OSError:
                sent = 0
        if sent < len(data):
            transport.write(data[sent:])

    def _queue(self, frame: SharedFrame) -> None:
        counters = self._counters
        if self._outbox is None:
            self._outbox = Outbox(self._limits.outbox_bytes, self._window_bits)
        outbox = self._outbox
        may, should = outbox.shed_may, outbox.shed_should
        if outbox.put(frame):
            counters.frames_queued += 1
        else:
            counters.slow_closes += 1
            self.end(CloseCode.SLOW, text_frame(join_events([encode_event(CloseCode.SLOW.bye(random.random()))])))
        counters.shed_may += outbox.shed_may - may
        counters.shed_should += outbox.shed_should - should

    def _write(self, frame: bytes) -> None:
        self._counters.frames_out += 1
        self._counters.bytes_out += len(frame)
        self.transport.write(frame)

    def end(self, close_code: CloseCode, bye: bytes) -> None:
        """Write a last frame (may be empty) and the close frame, and abort if the peer does not answer in time.

        What was queued is given up: the peer comes back for a snapshot, or is not wanted back.
        """
        if self._ending or self.protocol.state is not OPEN:
            return
        self._ending = True
        self._outbox = None
        if not self.transport.is_closing():
            if bye:
                self._write(bye)
            self.protocol.send_close(close_code.code, close_code.reason)
            self.send_data()
        self._abort_after(self._limits.close_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()
        if not self._ending:
            self._abort_after(self._limits.stall_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._ending:
            self._cancel_abort()
            self._flush()
        if not self.recv_messages.paused or self._ending:
            self._resume_reading()

    def _flush(self) -> None:
        while self._outbox and not self.paused and not self.transport.is_closing():
            frame = self._outbox.take()
            if frame:
                self._write(frame)

    def _resume_reading(self) -> None:
        if not self.paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def _abort_after(self, delay_s: float) -> None:
        self._cancel_abort()
        self._abort_timer = self.loop.call_later(delay_s, self._abort)

    def _abort(self) -> None:
        if not self._ending:
            self._counters.slow_closes += 1
        self.transport.abort()

    def _cancel_abort(self) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._sockets.discard(self)
        self._cancel_abort()
        self._outbox = None
        super().connection_lost(exc)
