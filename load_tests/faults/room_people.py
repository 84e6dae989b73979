"""Hundreds of people in a room who stay by the protocol's rules, comment and tip, and keep what they were told. I/O."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from load_tests.bench.room_socket import RoomSocket, Told
from load_tests.faults.told import Ledger, Viewer
from load_tests.reconnection import ABNORMAL, StayAway, after_close

_SILENCE_S: Final = 30.0
_HELLO_S: Final = 15.0
_ANSWER_S: Final = 10.0
_LONGEST_WAIT_S: Final = 30.0
_AGAIN_MS: Final = 1_000
_SIGNS: Final = "山水花鸟鱼虫草木云雨"
"""Figures are written with these: long rows of digits would be held as telephone numbers."""


@dataclass
class Answers:
    """What the people of one room were answered since the last reset."""

    comments: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Comments that passed, with when they were first said and the time of their `ack`."""
    held: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    without_hint: int = 0
    """Refusals for now that did not say when to try again."""
    last_ack_s: float = 0.0


class Person:
    """One person over all their connections; at most one message waits for its answer."""

    def __init__(self, room: Room, account_id: str, token: str) -> None:
        self.account_id = account_id
        self._room = room
        self._token = token
        self.told: Viewer = room.ledger.viewer()
        self.socket: RoomSocket | None = None
        self.heard_s = 0.0
        self.welcomed = False
        self.reading = True
        self._welcome_ms = _AGAIN_MS
        self._said: tuple[int, int | None] | None = None
        self._ended = asyncio.Event()
        self._pending: dict[str, Any] | None = None
        self._said_s = self._sent_s = 0.0
        self.asked = 0
        self.acked = 0

    def begin_anew(self) -> None:
        """Keep the promises that hold and forget what was told before: a new ledger goes on where the old one was."""
        reached = self.told.reached
        self.told = self._room.ledger.viewer()
        if reached:
            now_s = asyncio.get_running_loop().time()
            self.told.welcomed(str(reached["epoch"]), int(str(reached["offset"])), recovered=False, now_s=now_s)
            self.told.snapshots = 0

    async def stay(self) -> None:
        """Be in the room until cancelled, coming back as the protocol says; raises StayedAway."""
        failures = 0
        while True:
            started = await self._connect()
            if started:
                failures = 0 if await self._listen() else failures + 1
            else:
                failures += 1
            code, said_ms = self._said or (ABNORMAL, None)
            self._said = None
            step = after_close(code, said_ms, self._welcome_ms)
            if isinstance(step, StayAway):
                raise StayedAway(f"{self.account_id} was sent away with {code}")
            wait_s = max(0.5, step.after_ms / 1_000) * 2 ** min(failures, 5)
            await asyncio.sleep(min(_LONGEST_WAIT_S, wait_s * random.uniform(0.5, 1.5)))

    async def _connect(self) -> bool:
        hello: dict[str, object] = {
            "type": "hello",
            "token": self._token,
            "broadcast_id": self._room.broadcast_id,
            "client_id": "faults",
            **self.told.reached,
        }
        loop = asyncio.get_running_loop()
        self._ended.clear()
        self.heard_s = loop.time()
        try:
            async with asyncio.timeout(_HELLO_S), self._room.connecting:
                _, self.socket = await loop.create_connection(
                    lambda: RoomSocket(hello, self._take, self._ended.set, deflate=False), "127.0.0.1", self._room.port
                )
        except (OSError, TimeoutError):
            return False
        return True

    async def _listen(self) -> bool:
        """Until the connection ends or is silent for too long; whether there was a welcome."""
        loop = asyncio.get_running_loop()
        while not self._ended.is_set():
            quiet_s = loop.time() - self.heard_s
            if self.reading and quiet_s > (_SILENCE_S if self.welcomed else _HELLO_S):
                self.cut()
            try:
                async with asyncio.timeout(1.0):
                    await self._ended.wait()
            except TimeoutError:
                self._again(loop.time())
        was_in, self.welcomed, self.socket = self.welcomed, False, None
        return was_in

    def cut(self) -> None:
        """Vanish."""
        if self.socket is not None and self.socket.transport is not None:
            self.socket.transport.abort()

    def read(self, reading: bool) -> None:
        """Stop reading, as a phone that sleeps does, or go on."""
        self.reading = reading
        self.heard_s = asyncio.get_running_loop().time()
        if self.socket is not None and self.socket.transport is not None and not self.socket.transport.is_closing():
            (self.socket.transport.resume_reading if reading else self.socket.transport.pause_reading)()

    def say(self, message: dict[str, Any]) -> bool:
        """Send a message with an id of its own, and again under it until it is answered; False while one waits."""
        if self._pending is not None or not self.welcomed:
            return False
        self._pending = message
        self._said_s = asyncio.get_running_loop().time()
        self.asked += 1
        self._send()
        return True

    def _send(self) -> None:
        if self._pending is not None and self.welcomed and self.socket is not None:
            self._sent_s = asyncio.get_running_loop().time()
            self.socket.send(self._pending)

    def _again(self, now_s: float) -> None:
        if self._pending is not None and now_s - self._sent_s > _ANSWER_S:
            self._send()

    def _take(self, events: list[Told]) -> None:
        now_s = self.heard_s = asyncio.get_running_loop().time()
        comments = [event.comment_id for event in events if event.type == "comment"]
        closed = False
        for event in events:
            match event.type:
                case "position":
                    closed = True
                    if not (closed and events[0].type == "welcome"):
                        left_out = event.sampled_out + event.shed
                        self.told.positioned(
                            event.epoch,
                            event.offset,
                            now_s=now_s,
                            comments=comments,
                            left_out=left_out,
                            lost=event.lost,
                        )
                case "ack" | "error":
                    self._answered(event, now_s)
                case "bye":
                    self._said = (int(event.code), event.retry_after_ms)
                case "welcome":
                    self._welcomed(events, now_s, comments)
                case "state":
                    self._room.publisher = event.publisher

    def _welcomed(self, events: list[Told], now_s: float, comments: list[str]) -> None:
        welcome, last = events[0], events[0]
        for event in events:
            if event.type == "position":
                last = event
        self.told.welcomed(last.epoch, last.offset, recovered=welcome.recovered, now_s=now_s, comments=comments)
        self._welcome_ms = welcome.reconnect_after_ms
        self.welcomed = True
        asyncio.get_running_loop().call_soon(self._send)

    def _answered(self, event: Told, now_s: float) -> None:
        if self._pending is None or event.id != self._pending["id"]:
            return
        answers = self._room.answers
        if event.type == "ack":
            self.acked += 1
            answers.last_ack_s = now_s
            if event.comment is not None:
                if event.verdict == "pass":
                    answers.comments[event.comment.comment_id] = self._said_s, now_s
                else:
                    answers.held.add(event.comment.comment_id)
            self._pending = None
            return
        answers.refused[str(event.code)] += 1
        if event.code in ("unavailable", "rate_limited"):
            answers.without_hint += event.retry_after_ms is None
            loop = asyncio.get_running_loop()
            loop.call_later((event.retry_after_ms or _AGAIN_MS) / 1_000, self._send)
        else:
            self._pending = None


class StayedAway(Exception):
    """The room told somebody for good to go, which no fault should."""


class Room:
    """One room's people."""

    def __init__(self, port: int, broadcast_id: str, accounts: list[dict[str, str]]) -> None:
        self.port = port
        self.broadcast_id = broadcast_id
        self.ledger = Ledger()
        self.answers = Answers()
        self.publisher = ""
        self.connecting = asyncio.Semaphore(50)
        self.people = [Person(self, one["account_id"], one["token"]) for one in accounts]
        self._numbers = itertools.count(1)

    def begin_anew(self) -> None:
        """Count anew, of everybody who is in."""
        self.ledger = Ledger()
        self.answers = Answers()
        for person in self.people:
            person.begin_anew()

    @property
    def connected(self) -> int:
        """How many have been welcomed and are in."""
        return sum(person.welcomed for person in self.people)

    async def talk(self, per_s: float, kind: str) -> None:
        """Let one after the other say something, so many a second, for ever; who waits for an answer is passed over."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        turns = itertools.cycle(self.people)
        for said in itertools.count():
            await asyncio.sleep(max(0.0, start_s + said / per_s - loop.time()))
            for _ in range(min(20, len(self.people))):
                if next(turns).say(self._message(kind)):
                    break

    def _message(self, kind: str) -> dict[str, Any]:
        number = next(self._numbers)
        message_id = f"f{number}-{random.getrandbits(40):x}"
        if kind == "tip":
            return {"type": "tip", "id": message_id, "points": 1}
        text = "".join(_SIGNS[int(digit)] for digit in f"{number:06d}")
        return {"type": "comment", "id": message_id, "kind": "comment", "text": f"看到{text}"}
