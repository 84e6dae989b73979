"""The road between the load and the installation: TCP and UDP relays that can be slowed, made lossy and cut. I/O.

A network namespace would want root and a kernel with netem; this wants neither. What it cannot do is lose single TCP
segments: a lossy road holds a piece back as long as a retransmission would take, and all that is behind it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from load_tests.fault_link import FaultLink

_RETRANSMISSION_S: Final = 0.2
_CONNECT_S: Final = 10.0
_MOST_HELD_BYTES: Final = 1 << 20
_CANDIDATE: Final = re.compile(r"^(a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1) (\d+) typ host", re.MULTILINE)


class Road:
    """Conditions hold for every connection; `close` ends all relays."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.loss = 0.0
        self.cut = False
        self.whole = asyncio.Event()
        self.whole.set()
        self._pairs: set[_Pair] = set()
        self._servers: list[asyncio.Server] = []
        self._links: dict[int, FaultLink] = {}
        self.dead_ends: set[_Pair] = set()

    async def tcp(self, port: int) -> int:
        """Open a relay to this port of loopback; returns its own."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _End(self, port), "127.0.0.1", 0, backlog=1_024)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def through(self, answer: str) -> str:
        """Rewrite an SDP answer so that its candidates lead over this road."""
        for port in {int(found[1]) for found in _CANDIDATE.findall(answer)}:
            ours = self._link(port).port
            answer = re.sub(rf"(127\.0\.0\.1) {port} typ host", rf"\1 {ours} typ host", answer)
        return answer

    def set(self, *, delay_s: float = 0.0, loss: float = 0.0, cut: bool = False) -> None:
        """Change the conditions; what is held goes on when the cut ends."""
        self.delay_s, self.loss, self.cut = delay_s, loss, cut
        (self.whole.clear if cut else self.whole.set)()
        for link in self._links.values():
            link.down.delay_s = link.up.delay_s = delay_s
        for pair in self._pairs:
            pair.hold(cut)

    def strand(self, share: float, port: int) -> int:
        """Let this share of a relay's connections die without a word to the server, which keeps its ends open."""
        there = [pair for pair in self._pairs if pair.port == port and pair.both]
        stranded = there[: int(len(there) * share)]
        for pair in stranded:
            pair.strand()
        self.dead_ends.update(stranded)
        return len(stranded)

    def clear_dead_ends(self) -> None:
        """Close what was stranded."""
        for pair in self.dead_ends:
            pair.close()
        self.dead_ends.clear()

    def close(self) -> None:
        """End every relay."""
        for server in self._servers:
            server.close()
        for pair in list(self._pairs):
            pair.close()
        for link in self._links.values():
            link.close()

    def _link(self, port: int) -> FaultLink:
        if port not in self._links:
            link = self._links[port] = FaultLink(self._loses, spares_nothing=True)
            link.down.delay_s = link.up.delay_s = self.delay_s
            link.open(port)
        return self._links[port]

    def _loses(self, datagram: bytes, upwards: bool) -> bool:
        return self.cut or (self.loss > 0 and random.random() < self.loss)

    def joined(self, pair: _Pair) -> None:
        """Know a pair."""
        self._pairs.add(pair)

    def parted(self, pair: _Pair) -> None:
        """Forget a pair."""
        self._pairs.discard(pair)


class _Pair:
    """The two ends of one relayed connection."""

    def __init__(self, road: Road, port: int, near: asyncio.Transport) -> None:
        self.road = road
        self.port = port
        self.near: asyncio.Transport | None = near
        self.far: asyncio.Transport | None = None
        self.stranded = False
        road.joined(self)

    @property
    def both(self) -> bool:
        return self.near is not None and self.far is not None

    def hold(self, held: bool) -> None:
        if self.stranded:
            return
        for transport in (self.near, self.far):
            if transport is not None and not transport.is_closing():
                (transport.pause_reading if held else transport.resume_reading)()

    def strand(self) -> None:
        """The client hears that it is over; the server never does."""
        self.stranded = True
        assert self.near is not None
        assert self.far is not None
        self.far.pause_reading()
        self.near.abort()

    def ended(self, near: bool) -> None:
        if near:
            self.near = None
        else:
            self.far = None
        if not self.stranded:
            self.close()

    def close(self) -> None:
        for transport in (self.near, self.far):
            if transport is not None:
                transport.close()
        self.road.parted(self)


class _End(asyncio.Protocol):
    """One end of a pair; the near one opens the far one."""

    def __init__(self, road: Road, port: int, pair: _Pair | None = None) -> None:
        self._road = road
        self._port = port
        self._pair = pair
        self._near = pair is None
        self._early = bytearray()
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._over = False
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("asyncio.Transport", transport)
        if self._pair is not None:
            self._pair.far = made
            if self._road.cut:
                made.pause_reading()
            return
        self._pair = _Pair(self._road, self._port, made)
        self._opening = asyncio.ensure_future(self._open(self._pair))

    async def _open(self, pair: _Pair) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._road.whole.wait()
            async with asyncio.timeout(_CONNECT_S):
                await loop.create_connection(lambda: _End(self._road, self._port, pair), "127.0.0.1", self._port)
        except (OSError, TimeoutError):
            if pair.near is not None:
                pair.near.abort()
            return
        if pair.near is None and pair.far is not None:
            pair.far.abort()
            return
        if self._early and pair.far is not None:
            self._pass(bytes(self._early))
            self._early.clear()

    def data_received(self, data: bytes) -> None:
        pair = self._pair
        assert pair is not None
        if (pair.far if self._near else pair.near) is None:
            self._early += data
            if len(self._early) > _MOST_HELD_BYTES:
                pair.close()
            return
        self._pass(data)

    def _pass(self, data: bytes) -> None:
        road, now_s = self._road, asyncio.get_running_loop().time()
        wait_s = road.delay_s + (_RETRANSMISSION_S if road.loss and random.random() < road.loss else 0.0)
        if not self._held and not wait_s:
            self._write(data)
            return
        # A piece never overtakes the one before it, however late the loop comes to either.
        due_s = max(now_s + wait_s, self._held[-1][0] if self._held else 0.0)
        self._held.append((due_s, data))
        self._held_bytes += len(data)
        if self._held_bytes > _MOST_HELD_BYTES:
            self._own(lambda transport: transport.pause_reading())
        if len(self._held) == 1:
            asyncio.get_running_loop().call_at(due_s, self._let_go)

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        while self._held and self._held[0][0] <= loop.time():
            data = self._held.popleft()[1]
            self._held_bytes -= len(data)
            self._write(data)
        if self._held:
            loop.call_at(self._held[0][0], self._let_go)
        elif self._over and self._pair is not None:
            self._pair.ended(self._near)
        if self._held_bytes <= _MOST_HELD_BYTES and not self._road.cut:
            self._own(lambda transport: transport.resume_reading())

    def _write(self, data: bytes) -> None:
        assert self._pair is not None
        other = self._pair.far if self._near else self._pair.near
        if other is not None and not other.is_closing():
            other.write(data)

    def pause_writing(self) -> None:
        self._other(lambda transport: transport.pause_reading())

    def resume_writing(self) -> None:
        if not self._road.cut:
            self._other(lambda transport: transport.resume_reading())

    def _other(self, act: Callable[[asyncio.Transport], None]) -> None:
        assert self._pair is not None
        self._act(self._pair.far if self._near else self._pair.near, act)

    def _own(self, act: Callable[[asyncio.Transport], None]) -> None:
        assert self._pair is not None
        self._act(self._pair.near if self._near else self._pair.far, act)

    def _act(self, transport: asyncio.Transport | None, act: Callable[[asyncio.Transport], None]) -> None:
        assert self._pair is not None
        if transport is not None and not transport.is_closing() and not self._pair.stranded:
            act(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self._over = True
        if self._pair is not None and not self._held:  # an end comes behind what was sent before it
            self._pair.ended(self._near)
