"""The soak's room viewers in one process: they listen, like, vanish and come back. I/O: sockets.

`python -m load_tests.soak.audience CAST --first N --count M --cuts-per-s C` obeys lines: `do: join`, `do: start`,
`do: stop` (everybody comes back and says their likes once more), `do: reckon` with what was `sent`, anything else: how
many are connected.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import uvloop

from load_tests.bench.room_socket import RoomSocket, Told
from load_tests.load.cast import Cast, read_cast
from load_tests.load.crowd import more_files, obey_lines
from load_tests.load.room_order import RoomOrder
from load_tests.soak.accounts import Account, Sent, reckon

_AT_ONCE: Final = 32
_WELCOME_S: Final = 60.0
_ALL_BACK_S: Final = 120.0
_AWAY_S: Final = (0.0, 8.0)
_LIKES_EACH: Final = 3
_AGAIN_S: Final = (0.5, 1.5)
PULLED_BY: Final = "soak"
"""The reason that the host of the soak gives; cards that a rule takes down are not counted."""


class Heard(Told):
    """What the soak looks at besides."""

    shown_at_ms: int = 0
    total: int = 0


_decode: Final = msgspec.json.Decoder(list[Heard]).decode


class Viewer:
    """One person over all their connections."""

    def __init__(self, audience: Audience, token: str, number: int) -> None:
        self._audience = audience
        self._hello = {
            "type": "hello",
            "token": token,
            "broadcast_id": audience.broadcast_id,
            "client_id": f"soak-{number}",
        }
        self._reached: dict[str, object] = {}
        self._welcomed: asyncio.Future[None] | None = None
        self._pause_ms = 1_000
        self.account = Account(audience.order)
        self.socket: RoomSocket | None = None
        self.likes = 0
        self.returning: asyncio.Task[None] | None = None
        self._was_here = False

    async def join(self) -> None:
        """Connect, or come back with what was reached, and wait for the welcome; raises OSError and TimeoutError."""
        loop = asyncio.get_running_loop()
        self._welcomed = loop.create_future()
        async with asyncio.timeout(_WELCOME_S):
            _, self.socket = await loop.create_connection(
                lambda: RoomSocket(self._hello | self._reached, self._take, self._lost, deflate=True, decode=_decode),
                self._audience.host,
                self._audience.port,
            )
            await self._welcomed
        if self.likes:
            self.socket.say({"type": "like", "count": self.likes})

    def like(self) -> None:
        """Say a higher count, or keep it for the next welcome."""
        self.likes += random.randint(1, _LIKES_EACH)
        if self.socket is not None:
            self.socket.say({"type": "like", "count": self.likes})

    def cut(self) -> None:
        """Vanish as a phone in a tunnel does."""
        if self.socket is not None and self.socket.transport is not None:
            self.socket.transport.abort()

    def _lost(self) -> None:
        self.socket = None
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(ConnectionAbortedError("the connection ended before the welcome"))
        elif self.returning is None and not self._audience.leaving:
            self.returning = self._audience.spawn(self._come_back())

    async def _come_back(self) -> None:
        await asyncio.sleep(self._pause_ms / 1_000 + random.uniform(*_AWAY_S))
        while True:
            try:
                await self.join()
                break
            except (OSError, TimeoutError):
                self._audience.refused += 1
                self.cut()
                await asyncio.sleep(random.uniform(*_AGAIN_S))
        self.returning = None

    def _take(self, events: list[Heard]) -> None:
        account = self.account
        for event in events:
            if event.offset >= 0:
                self._reached = {"epoch": event.epoch, "offset": event.offset}
            match event.type:
                case "comment":
                    account.comment(event.comment_id)
                case "tip":
                    account.tip()
                case "card_shown":
                    account.card_shown(event.shown_at_ms)
                case "card_pulled" if event.reason == PULLED_BY:
                    account.card_pulled()
                case "position":
                    account.position(event.sampled_out, event.shed, lost=event.lost)
                case "likes":
                    self._audience.likes_told = event.total
                case "welcome":
                    self._pause_ms = event.reconnect_after_ms
                    account.welcomed(recovered=event.recovered, returned=self._was_here)
                    self._was_here = True
                    if self._welcomed is not None and not self._welcomed.done():
                        self._welcomed.set_result(None)


class Audience:
    """Everybody of this process."""

    def __init__(self, cast: Cast, first: int, count: int, cuts_per_s: float) -> None:
        url = urlsplit(cast.gateway)
        self.host, self.port = url.hostname or "127.0.0.1", url.port or 80
        self.broadcast_id = cast.broadcast_id
        self.order = RoomOrder()
        self.refused = self.cuts = 0
        self.likes_told = -1
        self.leaving = False
        self._cuts_per_s = cuts_per_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._living: asyncio.Task[None] | None = None
        self.viewers = [Viewer(self, cast.viewer(first + number).token, first + number) for number in range(count)]

    def spawn(self, work: Any) -> asyncio.Task[None]:
        """Own a return; at most one a viewer."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def join(self) -> dict[str, Any]:
        """Bring everybody in, some at a time; raises ExceptionGroup when one cannot come in."""
        gate, began_s = asyncio.Semaphore(_AT_ONCE), time.monotonic()

        async def one(viewer: Viewer) -> None:
            async with gate:
                await viewer.join()

        async with asyncio.TaskGroup() as group:
            for viewer in self.viewers:
                group.create_task(one(viewer))
        return {"joined": len(self.viewers), "took_s": time.monotonic() - began_s}

    def start(self) -> dict[str, Any]:
        """Begin to come, go and like."""
        self._living = self.spawn(self._live())
        return {}

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(random.expovariate(self._cuts_per_s))
            random.choice(self.viewers).like()
            viewer = random.choice(self.viewers)
            if viewer.socket is not None and viewer.returning is None:
                self.cuts += 1
                viewer.cut()

    async def stop(self) -> dict[str, Any]:
        """Cut nobody any more and wait until all are back; then all say their likes again, as after a welcome."""
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)
        async with asyncio.timeout(_ALL_BACK_S):
            await asyncio.gather(*self._tasks)
        return self.now()

    def now(self) -> dict[str, Any]:
        """Who is there."""
        return {
            "connected": sum(viewer.socket is not None for viewer in self.viewers),
            "cuts": self.cuts,
            "refused": self.refused,
        }

    def reckon(self, sent: Sent) -> dict[str, Any]:
        """Settle everybody's account."""
        people = ((viewer.account, viewer.socket is not None) for viewer in self.viewers)
        likes = {"likes_said": sum(viewer.likes for viewer in self.viewers), "likes_told": self.likes_told}
        return reckon(people, sent).figures() | self.now() | likes

    async def leave(self) -> None:
        """End what is on its way back, and every connection."""
        self.leaving = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for viewer in self.viewers:
            viewer.cut()


async def run(given: argparse.Namespace) -> None:
    """Serve the lines."""
    audience = Audience(read_cast(given.cast), given.first, given.count, given.cuts_per_s)

    async def obey(order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "join":
                return await audience.join()
            case "start":
                return audience.start()
            case "stop":
                return await audience.stop()
            case "reckon":
                return audience.reckon(Sent(**order["sent"]))
            case _:
                return audience.now()

    await obey_lines(obey)
    await audience.leave()


if __name__ == "__main__":
    more_files()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path)
    parser.add_argument("--first", type=int, required=True, help="number of the first viewer in the cast")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--cuts-per-s", type=float, required=True, help="connections cut a second, all together")
    uvloop.run(run(parser.parse_args()))
