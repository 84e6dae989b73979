"""Listening connections of one process: they join, follow the room, are cut and come back. I/O: sockets.

One loop, one bare socket a person (`bench/room_socket.py`); every comment is decoded and held against the room's order.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from load_tests.bench.room_socket import RoomSocket, Told
from load_tests.load.histogram import Histogram
from load_tests.load.room_order import Followed, Follower, RoomOrder

_WELCOME_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 64
_AGAIN_S: Final = (0.5, 1.5)
_MOST_TRIES: Final = 20


class Heard(Told):
    """What a load run looks at besides."""

    text: str = ""
    id: str = ""
    verdict: str = ""
    code: str | int = ""


_events: Final = msgspec.json.Decoder(list[Heard])


class Ear:
    """One person in the room over all their connections."""

    def __init__(self, room: Ears, token: str, number: int) -> None:
        self._room = room
        self._token = token
        self._number = number
        self._reached: dict[str, object] = {}
        self._welcomed: asyncio.Future[None] | None = None
        self._leaving = False
        self.follower = Follower(room.order)
        self.socket: RoomSocket | None = None
        self.reconnect_after_ms = 1_000
        self.back_at_s = 0.0

    async def join(self) -> None:
        """Connect, or come back with what was reached, and wait for the welcome; raises OSError and TimeoutError."""
        began_s, loop = time.monotonic(), asyncio.get_running_loop()
        hello = {
            "type": "hello",
            "token": self._token,
            "broadcast_id": self._room.broadcast_id,
            "client_id": f"{self._room.name}-{self._number}",
        }
        self._welcomed = loop.create_future()
        async with asyncio.timeout(_WELCOME_TIMEOUT_S):
            _, self.socket = await loop.create_connection(
                lambda: RoomSocket(hello | self._reached, self._take, self._lost, deflate=True, decode=_events.decode),
                self._room.host,
                self._room.port,
                ssl=self._room.tls or None,
            )
            await self._welcomed
        self.back_at_s = time.monotonic()
        self._room.handshakes.add((self.back_at_s - began_s) * 1e3)

    def cut(self) -> None:
        """Vanish as a phone in a tunnel does."""
        self._leaving = True
        if self.socket is not None and self.socket.transport is not None:
            self.socket.transport.abort()

    async def come_back(self) -> None:
        """Return after the delay of the welcome, and again after a failure; raises ConnectionError after many."""
        await asyncio.sleep(self.reconnect_after_ms / 1_000)
        for _ in range(_MOST_TRIES):
            self._leaving = False
            try:
                return await self.join()
            except (OSError, TimeoutError):
                self._room.refused += 1
                self.cut()
                await asyncio.sleep(random.uniform(*_AGAIN_S))
        raise ConnectionError(f"not let in again after {_MOST_TRIES} tries")

    def _lost(self) -> None:
        self.socket = None
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(ConnectionAbortedError("the connection ended before the welcome"))
        elif not self._leaving:
            self._room.dropped(self)

    def _take(self, events: list[Heard]) -> None:
        follower, room = self.follower, self._room
        room.frames += 1
        room.events += len(events)
        catching_up = events[0].type == "welcome" if events else False
        for event in events:
            if event.offset >= 0:
                self._reached = {"epoch": event.epoch, "offset": event.offset}
            match event.type:
                case "comment":
                    follower.comment(event.comment_id)
                    if room.on_comment is not None and not catching_up:
                        room.on_comment(event)
                case "position":
                    follower.position(event.sampled_out, event.shed, lost=event.lost)
                case "welcome":
                    self.reconnect_after_ms = event.reconnect_after_ms
                    follower.welcomed(recovered=event.recovered, returned=self.back_at_s > 0)
                    if self._welcomed is not None and not self._welcomed.done():
                        self._welcomed.set_result(None)
                case "bye":
                    room.byes[str(event.code)] += 1
                case "ack" | "error" if room.on_answer is not None:
                    room.on_answer(event)


class Ears:
    """Everybody of this process; `on_comment` and `on_answer` see events of all of them, and must be quick.

    `on_comment` is not told of what a return catches up on: that was late because its reader was away.
    """

    def __init__(
        self,
        name: str,
        gateway: str,
        broadcast_id: str,
        *,
        on_comment: Callable[[Heard], None] | None = None,
        on_answer: Callable[[Heard], None] | None = None,
    ) -> None:
        url = urlsplit(gateway)
        self.name = name
        self.tls = url.scheme == "wss"
        self.host, self.port = url.hostname or "127.0.0.1", url.port or (443 if self.tls else 80)
        self.broadcast_id = broadcast_id
        self.on_comment, self.on_answer = on_comment, on_answer
        self.order = RoomOrder()
        self.handshakes = Histogram()
        self.byes: Counter[str] = Counter()
        self.people: list[Ear] = []
        self.frames = self.events = self.refused = self.drops = 0
        self._returning: set[asyncio.Task[None]] = set()

    async def join(self, tokens: list[str]) -> dict[str, Any]:
        """Bring in somebody for each token, some at a time; raises ExceptionGroup when one cannot come in."""
        gate, began_s = asyncio.Semaphore(_AT_ONCE), time.monotonic()

        async def one(ear: Ear) -> None:
            async with gate:
                await ear.join()

        async with asyncio.TaskGroup() as group:
            for token in tokens:
                ear = Ear(self, token, len(self.people))
                self.people.append(ear)
                group.create_task(one(ear))
        took_s = max(1e-3, time.monotonic() - began_s)
        return {"joined": len(tokens), "connects_per_s": len(tokens) / took_s}

    def dropped(self, ear: Ear) -> None:
        """The server ended somebody's connection: they come back by the rules."""
        self.drops += 1
        task = asyncio.get_running_loop().create_task(ear.come_back())
        self._returning.add(task)
        task.add_done_callback(self._returned)

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._returning.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.byes["never_back"] += 1

    async def storm(self) -> dict[str, Any]:
        """Cut everybody at once; each returns by the rules. `all_back_s` is when the last was welcomed."""
        began_s = time.monotonic()
        for ear in self.people:
            ear.cut()
        await asyncio.gather(*(ear.come_back() for ear in self.people))
        return {"all_back_s": max(ear.back_at_s for ear in self.people) - began_s}

    def ends(self) -> Followed:
        """Add everybody up: the run is over."""
        whole = Followed()
        for ear in self.people:
            if ear.socket is not None:
                ear.follower.ends()
            whole.add(ear.follower.heard)
        return whole

    def totals(self) -> dict[str, Any]:
        """Everything counted, once at the end."""
        return {
            **self.ends().figures(),
            "connected": sum(ear.socket is not None for ear in self.people),
            "frames": self.frames,
            "events": self.events,
            "refused": self.refused,
            "drops": self.drops,
            "byes": dict(self.byes),
            "handshakes": self.handshakes.packed(),
        }

    async def leave(self) -> None:
        """End everything that is still on its way back, then everybody's connection."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        for ear in self.people:
            ear.cut()
