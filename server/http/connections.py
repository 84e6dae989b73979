"""What one HTTP connection may take: a place among others, and time. Stands between sockets and aiohttp; does I/O.

aiohttp bounds the size of headers, the wait for a client that keeps a connection open, and what of an unwanted body it
reads on; it bounds neither the number of connections, nor how slowly a request's head may come, nor how slowly an
answer may be taken. Those are here. Bodies: `server.http.body`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from aiohttp import web

from server.gateway.addresses import Addresses, AddressLimits

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """For one process; times in seconds.

    `head_s`: from the connection, or the first byte after an answer, to the end of a request's head. `idle_s`: from an
    answer to the next request; longer than proxies keep theirs, so that the proxy is the one to close. `stalled_s`: for
    a client that takes nothing of its answer.
    """

    connections: int = 4_000
    head_s: float = 10.0
    idle_s: float = 75.0
    stalled_s: float = 20.0
    addresses: AddressLimits = field(default_factory=AddressLimits)


class Door:
    """Counts the connections of a process."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.open = 0
        self.refused = 0
        self._addresses = Addresses(limits.addresses)

    def enter(self, peer: str) -> tuple[str | None, bytes]:
        """Take one more in; the answer is empty when it may stay, and else what to send it away with."""
        key = self._addresses.key(peer, {})
        full = self.open >= self.limits.connections
        if full or self._addresses.admit(key, time.monotonic()) > 0:
            self.refused += 1
            return None, _FULL[0 if full else 1]
        self.open += 1
        self._addresses.enter(key)
        return key, b""

    def leave(self, key: str | None) -> None:
        """One that had entered is gone."""
        self.open -= 1
        self._addresses.leave(key)


class _State(Enum):
    AWAITED = "awaited"  # a request's head is to come, in part or whole
    SERVING = "serving"
    RESTING = "resting"
    TURNED_AWAY = "turned away"


class GuardedConnection(asyncio.Protocol):
    """One connection: hands everything on to aiohttp's protocol, and aborts what takes too long."""

    __slots__ = ("_door", "_head", "_inner", "_key", "_make", "_stalled", "_state", "_transport")

    def __init__(self, make: Callable[[], asyncio.Protocol], door: Door) -> None:
        self._make = make
        self._door = door
        self._inner: asyncio.Protocol | None = None
        self._state = _State.AWAITED
        self._key: str | None = None
        self._head: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one without being of that class
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._key, refusal = self._door.enter(peer[0] if peer else "")
        if refusal:
            self._state = _State.TURNED_AWAY
            transport.write(refusal)
            transport.close()
            return
        self._inner = self._make()
        self._inner.connection_made(transport)
        self._allow(self._door.limits.head_s)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            return
        if self._state is _State.RESTING:
            self._state = _State.AWAITED
            self._allow(self._door.limits.head_s)
        self._inner.data_received(data)

    def request_begun(self) -> None:
        """A whole head was read; from here on the time is the handler's."""
        self._state = _State.SERVING
        self._forbid()

    def request_done(self) -> None:
        """The handler has its answer."""
        self._state = _State.RESTING
        self._allow(self._door.limits.idle_s)

    def _allow(self, seconds: float) -> None:
        self._forbid()
        self._head = asyncio.get_running_loop().call_later(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        if self._state is _State.RESTING and self._transport is not None and self._transport.get_write_buffer_size():
            self._allow(self._door.limits.idle_s)  # still taking its answer: `stalled_s` sees to that
        else:
            self._abort()

    def _forbid(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()
            self._stalled = asyncio.get_running_loop().call_later(self._door.limits.stalled_s, self._abort)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        if self._inner is not None:
            self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._forbid()
        if self._stalled is not None:
            self._stalled.cancel()
        if self._inner is not None:
            self._door.leave(self._key)
            self._inner.connection_lost(exc)
        self._transport = None


@web.middleware
async def tell_the_connection(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tell a guarded connection when a request is read and when it is answered; the outermost middleware."""
    connection = None if request.transport is None else request.transport.get_protocol()
    if not isinstance(connection, GuardedConnection):
        return await handler(request)  # a test's server
    connection.request_begun()
    try:
        return await handler(request)
    finally:
        connection.request_done()


def guard(make: Callable[[], asyncio.Protocol], door: Door) -> Callable[[], GuardedConnection]:
    """Put a guard before what makes a server's protocols, all of them counted at one door."""
    return lambda: GuardedConnection(make, door)
