"""A room client that costs little: one bare socket, frames parsed and events decoded as they come. I/O: one socket.

Speaks docs/protocol.md over RFC 6455 without the checks a real client makes, so that thousands fit in one process.
"""

from __future__ import annotations

import asyncio
import base64
import os
import zlib
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

_OPENING: Final = (
    "GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: wealthcast.v1.json\r\n{extra}\r\n"
)
_DEFLATE: Final = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
_TAIL: Final = b"\x00\x00\xff\xff"


class Comment(msgspec.Struct):
    """The fields of a comment inside an `ack`."""

    comment_id: str


class Told(msgspec.Struct):
    """The fields of an event that a bench looks at."""

    type: str
    id: str = ""
    code: str | int = ""
    verdict: str = ""
    comment: Comment | None = None
    retry_after_ms: int | None = None
    publisher: str = ""
    comment_id: str = ""
    product_id: str = ""
    reason: str = ""
    stream_time_ms: int | None = None
    epoch: str = ""
    offset: int = -1
    sampled_out: int = 0
    shed: int = 0
    lost: bool = False
    recovered: bool = False
    reconnect_after_ms: int = 0


_events: Final = msgspec.json.Decoder(list[Told])


class RoomSocket(asyncio.Protocol):
    """Says hello once connected; `take` gets each frame's events as `decode` makes them; `ended` is called once."""

    def __init__(
        self,
        hello: dict[str, object],
        take: Callable[[list[Any]], None],
        ended: Callable[[], None],
        *,
        deflate: bool,
        decode: Callable[[bytes], list[Any]] = _events.decode,
    ) -> None:
        self._hello = hello
        self._take = take
        self._ended = ended
        self._deflate = deflate
        self._decode = decode
        self._buffer = bytearray()
        self._open = False
        self.transport: asyncio.Transport | None = None
        self.frames = 0
        self.bytes_in = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop registers its own as none of asyncio's
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(_OPENING.format(key=key, extra=_DEFLATE if self._deflate else "").encode())

    def say(self, message: dict[str, object]) -> None:
        """Send one message; nothing happens when the connection is gone."""
        if self._open and self.transport is not None and not self.transport.is_closing():
            self._send(0x1, msgspec.json.encode(message))

    def data_received(self, data: bytes) -> None:
        """Cut frames out of the stream."""
        self.bytes_in += len(data)
        self._buffer += data
        if not self._open and not self._upgraded():
            return
        while (frame := self._next_frame()) is not None:
            self._receive(*frame)

    def send(self, message: dict[str, object]) -> None:
        """Send one message of the protocol; only once welcomed."""
        self._send(0x1, msgspec.json.encode(message))

    def _upgraded(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            assert self.transport is not None
            self.transport.abort()
            return False
        del self._buffer[: end + 4]
        self._open = True
        self._send(0x1, msgspec.json.encode(self._hello))
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + length:
            return None
        frame = buffer[0], bytes(buffer[start : start + length])
        del buffer[: start + length]
        return frame

    def _receive(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode == 0x9:
            self._send(0xA, payload)
        elif opcode == 0x1:
            self.frames += 1
            if first & 0x40:
                # No context is taken over, so each message stands alone (RFC 7692 section 7.2.2).
                payload = zlib.decompressobj(wbits=-15).decompress(payload + _TAIL)
            self._take(self._decode(payload))

    def _send(self, opcode: int, payload: bytes) -> None:
        assert self.transport is not None
        if self.transport.is_closing():
            return  # `ended` says so
        length = len(payload)
        head = bytes((0x80 | opcode, 0x80 | min(length, 126)))
        if length >= 126:
            head += length.to_bytes(2, "big")
        self.transport.write(head + b"\x00\x00\x00\x00" + payload)  # a mask of nought changes nothing

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over."""
        self._ended()
