"""Many viewers of one room in one process: they count, check the order, and can be cut and come back. I/O: sockets.

Run as `python -m load_tests.bench.room_swarm PORT BROADCAST [--deflate]`; obeys lines of JSON on standard input, each
answered by one line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from typing import Any, Final

import uvloop

from load_tests.bench.room_socket import RoomSocket, Told

_LINE_LIMIT: Final = 1 << 24
_JOIN_AT_ONCE: Final = 50


class Viewer:
    """One person over all their connections; what is numbered must come once and in order."""

    def __init__(self, swarm: Swarm, token: str) -> None:
        self._swarm = swarm
        self._token = token
        self._reached: dict[str, object] = {}
        self.socket: RoomSocket | None = None
        self._welcomed: asyncio.Future[None] | None = None
        self.reconnect_after_ms = 1_000
        self.welcomed_at_s = 0.0
        self.last_number = -1
        self.cards: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Count anew."""
        self.events = self.frames = self.repeated = self.sampled_out = self.shed = self.recovered = 0
        self.delays_us: list[int] = []

    async def connect(self) -> None:
        """Join, or come back with what was reached, and wait for the welcome; raises OSError and TimeoutError."""
        hello = {
            "type": "hello",
            "token": self._token,
            "broadcast_id": self._swarm.broadcast_id,
            "client_id": "bench",
        }
        loop = asyncio.get_running_loop()
        self._welcomed = loop.create_future()
        _, self.socket = await loop.create_connection(
            lambda: RoomSocket(hello | self._reached, self._take, self._lost, deflate=self._swarm.deflate),
            "127.0.0.1",
            self._swarm.port,
        )
        async with asyncio.timeout(30):
            await self._welcomed

    def cut(self) -> None:
        """Vanish as a phone in a tunnel does."""
        if self.socket is not None and self.socket.transport is not None:
            self.socket.transport.abort()

    def _lost(self) -> None:
        self.socket = None
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(ConnectionAbortedError("the connection ended before the welcome"))

    def _take(self, events: list[Told]) -> None:
        now_us = time.monotonic_ns() // 1_000
        self.frames += 1
        for event in events:
            if event.offset >= 0:
                self._reached = {"epoch": event.epoch, "offset": event.offset}
            if event.type == "comment":
                self._numbered(int(event.comment_id[3:]), event.stream_time_ms or 0, now_us)
            elif event.type == "card_pulled":
                self.cards.append(int(event.product_id[3:]))
                self._numbered(self.cards[-1], int(event.reason), now_us)
            elif event.type == "position":
                self.sampled_out += event.sampled_out
                self.shed += event.shed
            elif event.type == "welcome":
                self.reconnect_after_ms = event.reconnect_after_ms
                self.recovered += event.recovered
                self.welcomed_at_s = time.monotonic()
                if self._welcomed is not None and not self._welcomed.done():
                    self._welcomed.set_result(None)

    def _numbered(self, number: int, intended_us: int, now_us: int) -> None:
        self.events += 1
        self.repeated += number <= self.last_number
        self.last_number = max(self.last_number, number)
        if self._swarm.times:
            self.delays_us.append(now_us - intended_us)


class Swarm:
    """The viewers of this process."""

    def __init__(self, port: int, broadcast_id: str, *, deflate: bool, times: bool) -> None:
        self.port = port
        self.broadcast_id = broadcast_id
        self.deflate = deflate
        self.times = times
        self.viewers: list[Viewer] = []
        self.refused = 0

    async def join(self, tokens: list[str]) -> dict[str, Any]:
        """Bring in a viewer for each token, some at a time."""
        gate = asyncio.Semaphore(_JOIN_AT_ONCE)

        async def one(token: str) -> None:
            async with gate:
                viewer = Viewer(self, token)
                self.viewers.append(viewer)
                await viewer.connect()

        await asyncio.gather(*map(one, tokens))
        return {"joined": len(tokens)}

    async def storm(self) -> dict[str, Any]:
        """Cut everyone at once; each returns after the delay of their welcome, and again after a failure."""
        began_s = time.monotonic()
        for viewer in self.viewers:
            viewer.cut()
        await asyncio.gather(*(self._return(viewer) for viewer in self.viewers))
        back_s = max(viewer.welcomed_at_s for viewer in self.viewers) - began_s
        return {"all_back_s": back_s, "refused": self.refused}

    async def _return(self, viewer: Viewer) -> None:
        await asyncio.sleep(viewer.reconnect_after_ms / 1_000)
        while True:
            try:
                await viewer.connect()
                return
            except (OSError, TimeoutError):
                self.refused += 1
                viewer.cut()
                await asyncio.sleep(random.uniform(0.5, 1.5))

    def totals(self) -> dict[str, Any]:
        """Everything counted since the reset, over all viewers."""
        names = ("events", "frames", "repeated", "sampled_out", "shed", "recovered")
        sums: dict[str, Any] = {name: sum(getattr(viewer, name) for viewer in self.viewers) for name in names}
        return sums | {
            "connected": sum(viewer.socket is not None for viewer in self.viewers),
            "cards": [[len(viewer.cards), len(set(viewer.cards))] for viewer in self.viewers],
            "delays_us": sorted(delay for viewer in self.viewers for delay in viewer.delays_us),
            "bytes_in": sum(viewer.socket.bytes_in for viewer in self.viewers if viewer.socket is not None),
        }


async def obey(swarm: Swarm, order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order."""
    match order["do"]:
        case "join":
            return await swarm.join(order["tokens"])
        case "storm":
            return await swarm.storm()
        case "reset":
            for viewer in swarm.viewers:
                viewer.reset()
            return {}
        case _:
            return swarm.totals()


async def serve(swarm: Swarm) -> None:
    """Obey lines until the input ends."""
    reader = asyncio.StreamReader(limit=_LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await obey(swarm, json.loads(line))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("broadcast_id")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--times", action="store_true", help="measure the delay of each event")
    arguments = parser.parse_args()
    uvloop.run(serve(Swarm(arguments.port, arguments.broadcast_id, deflate=arguments.deflate, times=arguments.times)))
