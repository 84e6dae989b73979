"""A connection that takes frames past the library's own send. Talks to sockets.

`websockets` has no bounded, synchronous write of a shared frame, and its `drain()` waits without end for a peer
that does not read. The attributes relied on are held by tests/server/test_gateway_library.py to the pinned release:
`protocol.state`, `protocol.send_close`, `send_data`, `send_in_progress`, `paused`, `transport`,
`recv_messages.paused/pause/resume`, `protocol.extensions`, `request`, `response`, `request_rcvd`, `logger`,
`drain_waiters`; and that every write of the
library's own goes through `send_data`.
"""

import asyncio
import logging
import os
import random
from array import array
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.http11 import Request
from websockets.protocol import OPEN, Event

from chat.close_codes import CloseCode
from chat.codec import encode_event, join_events
from chat.outbox import Outbox
from chat.shared_frame import SharedFrame
from server.gateway.counters import GatewayCounters
from server.gateway.frames import text_frame
from server.gateway.sockets import Sockets


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How much may wait for one viewer, and for how long."""

    buffer_bytes: int = 64 * 1024
    outbox_bytes: int = 64 * 1024
    stall_s: float = 5.0
    close_s: float = 2.0


_LIBRARY_LOG = logging.getLogger("websockets.server")
_ANY_REQUEST = Request("", Headers())
# RFC 6455 section 5.5.2: a ping without payload.
_PING = b"\x89\x00"
# Sweeps without a word from the peer after which it is asked, and after which it is gone.
_ASKED_AFTER, _GONE_AFTER = 3, 5
# Three times what a session lets its client say between two sweeps: the session never sees pings and fragments, and
# each costs the loop as much as a message.
_FRAMES_A_SWEEP = 600
# What comes is read in pieces, so that a flood shows after some hundred frames and not after a whole buffer of them.
_PIECE_BYTES = 4_096


class RawConnection(ServerConnection):
    """A server connection that takes shared frames without waiting and gives up on a peer that does not read.

    `offer` and `end` never wait and never raise. While the transport is paused nothing is read either, so a
    peer that floods pings cannot make the library buffer pongs; when it stays paused for `stall_s` it is aborted.

    One that sits in a roster is *clear* while its descriptor stands in its place there: the connection is open,
    nothing waits in transport or outbox, and it is not ending. Then, and only then, the roster writes frames to the
    descriptor itself. Whatever changes that takes the descriptor away in the same call, and `connection_lost` comes
    before the transport closes the socket, so a number that the kernel has given to someone else is never written to.
    """

    def __init__(
        self, *args: Any, limits: WriteLimits, counters: GatewayCounters, sockets: Sockets, **kwargs: Any
    ) -> None:
        """`sockets` holds every connection from accept to loss, those in their handshake too."""
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._counters = counters
        # Made when it is first needed: most connections never queue anything.
        self._outbox: Outbox | None = None
        self.window_bits = 0
        self._handle = -1
        self._seats: array[int] | None = None
        self._place = 0
        self._silent_sweeps = 0
        self._frames_heard = 0
        self._deaf = False
        self._abort_timer: asyncio.TimerHandle | None = None
        self._ending = False
        self._sockets = sockets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = self.remote_address
        self._sockets.accept(self, peer[0] if peer else "")
        # The reader must not resume a socket that is paused because its writes do not go out.
        self.recv_messages.resume = self._resume_reading

    def settle(self) -> None:
        """Take note of what the handshake agreed on, and let go of what only it needed; to be called once after it."""
        self._sockets.open(self)
        # The library asks whether there was a request; it no longer asks which.
        self.request, self.response = _ANY_REQUEST, None
        del self.request_rcvd
        # Some 500 bytes each: an adapter that adds the connection to log lines, and a deque for what is a list of none.
        self.logger = self.protocol.logger = _LIBRARY_LOG
        self.drain_waiters = []  # type: ignore[assignment]  # of a deque's methods the library uses these two have alike
        if self.transport.get_extra_info("sslcontext") is None:
            self._handle = self.transport.get_extra_info("socket").fileno()
        for extension in self.protocol.extensions:
            if isinstance(extension, PerMessageDeflate) and extension.local_no_context_takeover:
                self.window_bits = extension.local_max_window_bits

    def sit(self, seats: "array[int]", place: int) -> None:
        """Take a place among the descriptors of a roster, or another one there."""
        self._seats, self._place = seats, place
        if self._is_clear():
            seats[place] = self._handle

    def rise(self) -> None:
        """Leave the roster."""
        self._seats = None

    def _is_clear(self) -> bool:
        return (
            self._handle >= 0
            and not self._ending
            and self.protocol.state is OPEN
            and not (self.paused or self._outbox or self.transport.is_closing())
            and self.transport.get_write_buffer_size() == 0
        )

    def _unclear(self) -> None:
        if self._seats is not None:
            self._seats[self._place] = -1

    def offer(self, frame: SharedFrame) -> None:
        """Write a shared frame, or queue it, or end a connection whose queue is full however much is shed.

        While the transport holds nothing the write goes to the socket itself; the rest, and every error, is the
        transport's.
        """
        if self._ending or self.protocol.state is not OPEN:
            return
        # Below the write limit a transport is never paused, so it holds at most the limit and one frame.
        if self.paused or self._outbox or self.transport.is_closing():
            self._queue(frame)
            return
        data = frame.by_window.get(self.window_bits) or frame.for_window(self.window_bits)
        self._counters.frames_out += 1
        self._counters.bytes_out += len(data)
        self._send(data)

    def _send(self, data: bytes) -> None:
        # No await stands between the check and the write, so the handle is still this connection's own.
        sent = 0
        clear = self._is_clear()
        if clear:
            try:
                sent = os.write(self._handle, data)
            except OSError:
                sent = 0
        if sent < len(data):
            self.finish(data, sent)
        elif clear and self._seats is not None:
            self._seats[self._place] = self._handle

    def finish(self, data: bytes, sent: int) -> None:
        """Hand the transport what the socket did not take of a frame that was counted already."""
        self._unclear()
        self.transport.write(data[sent:])

    def sweep(self) -> None:
        """Ask a peer that has been silent for long, and give up one that stays so; to be called at a steady pace."""
        self._frames_heard = 0
        if self.recv_messages.paused:
            return  # it is we who do not read: what it said before waits to be carried out
        self._silent_sweeps += 1
        if self._silent_sweeps >= _GONE_AFTER:
            self._counters.silent_closes += 1
            self.transport.abort()
        elif self._silent_sweeps >= _ASKED_AFTER and self._may_write():
            self._send(_PING)

    def give_up(self) -> None:
        """Be gone at once, without a word."""
        self.transport.abort()

    def _may_write(self) -> bool:
        # One that is paused is given up when it stays so; a ping behind what it does not read would tell nothing.
        return not (self._ending or self.paused or self.transport.is_closing()) and self.protocol.state is OPEN

    def data_received(self, data: bytes) -> None:
        self._silent_sweeps = 0
        if len(data) <= _PIECE_BYTES:
            super().data_received(data)
            return
        for start in range(0, len(data), _PIECE_BYTES):
            if self._deaf:
                return
            super().data_received(data[start : start + _PIECE_BYTES])

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        self._frames_heard += 1
        if self._frames_heard > _FRAMES_A_SWEEP and not self._ending and self.protocol.state is OPEN:
            self._counters.flood_closes += 1
            self._deaf = True
            self.transport.pause_reading()
            self._dismiss(CloseCode.RATE_LIMITED)

    def send_data(self) -> None:
        super().send_data()
        if self.protocol.state is not OPEN or self.transport.get_write_buffer_size():
            self._unclear()

    def _queue(self, frame: SharedFrame) -> None:
        counters = self._counters
        if self._outbox is None:
            self._outbox = Outbox(self._limits.outbox_bytes, self.window_bits)
        outbox = self._outbox
        may, should = outbox.shed_may, outbox.shed_should
        if outbox.put(frame):
            counters.frames_queued += 1
        else:
            counters.slow_closes += 1
            self._dismiss(CloseCode.SLOW)
        counters.shed_may += outbox.shed_may - may
        counters.shed_should += outbox.shed_should - should

    def _write(self, frame: bytes) -> None:
        self._counters.frames_out += 1
        self._counters.bytes_out += len(frame)
        self._unclear()
        self.transport.write(frame)

    def _dismiss(self, close_code: CloseCode) -> None:
        self.end(close_code, text_frame(join_events([encode_event(close_code.bye(random.random()))])))

    def end(self, close_code: CloseCode, bye: bytes) -> None:
        """Write a last frame (may be empty) and the close frame, and abort if the peer does not answer in time.

        What was queued is given up: the peer comes back for a snapshot, or is not wanted back.
        """
        if self._ending or self.protocol.state is not OPEN:
            return
        self._ending = True
        self._unclear()
        self._outbox = None
        if not self.transport.is_closing():
            if bye:
                self._write(bye)
            self.protocol.send_close(close_code.code, close_code.reason)
            self.send_data()
        self._abort_after(self._limits.close_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unclear()
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
        if not (self.paused or self._deaf or self.transport.is_closing()):
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
        self._unclear()
        self._seats, self._handle = None, -1
        self._sockets.lose(self)
        self._cancel_abort()
        self._outbox = None
        super().connection_lost(exc)
