"""A room client for Locust: `websocket-client` under gevent, by the rules of docs/protocol.md. I/O: one WebSocket.

No asyncio here: its loop and gevent's hub would block each other.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import gevent
import msgspec
import websocket
from gevent.event import AsyncResult, Event

from load_tests.load.histogram import Histogram
from load_tests.load.room_order import Followed, Follower, RoomOrder
from load_tests.reconnection import ABNORMAL, StayAway, after_close

SUBPROTOCOL: Final = "wealthcast.v1.json"
_CONNECT_TIMEOUT_S: Final = 30.0
_SILENCE_S: Final = 30.0
_ACK_TIMEOUT_S: Final = 10.0
_MOST_PENDING: Final = 16
_FAILED_AGAIN_S: Final = (0.5, 1.5)

_decode: Final = msgspec.json.Decoder(list[dict[str, Any]])


class RoomRefused(Exception):
    """The room answered `error`, or not in time; the text is the code."""


@dataclass
class RoomCounts:
    """Everything that the rooms of one Locust process have seen."""

    order: RoomOrder = field(default_factory=RoomOrder)
    heard: Followed = field(default_factory=Followed)
    handshakes: Histogram = field(default_factory=Histogram)
    frames: int = 0
    events: int = 0
    joins: int = 0
    drops: int = 0
    refused: int = 0
    slow_closes: int = 0
    all_back_s: float = 0.0


class GeventRoom:
    """One person in one room; `run` in a greenlet of its own keeps them there until `leave`.

    `joined` is called with the time of each handshake in milliseconds and None, or the error.
    """

    def __init__(
        self,
        url: str,
        broadcast_id: str,
        token: Callable[[], str],
        counts: RoomCounts,
        joined: Callable[[float, Exception | None], None],
        *,
        staff: bool = False,
    ) -> None:
        """Staff are shown every comment, viewers a sample, so staff are not held against viewers."""
        self._url = url
        self._broadcast_id = broadcast_id
        self._token = token
        self._counts = counts
        self._joined = joined
        self._client_id = f"locust-{uuid4().hex[:16]}"
        self._message_ids = (f"{self._client_id[:14]}-{number}" for number in itertools.count(1))
        self._socket: Any = None
        self._reached: dict[str, object] = {}
        self._pending: dict[str, AsyncResult] = {}
        self._leaving = self._was_here = False
        self._cut_at_s: float | None = None
        self._welcome_ms = 1_000
        self._said_ms: int | None = None
        self.follower = Follower(RoomOrder() if staff else counts.order, busy=True)
        self.welcomed = Event()

    def run(self) -> None:
        """Stay until `leave`, or until the protocol says not to come back."""
        while not self.has_left():
            try:
                code = self._live()
            except (OSError, websocket.WebSocketException) as error:
                self._counts.refused += 1
                self._joined(0.0, error)
                gevent.sleep(random.uniform(*_FAILED_AGAIN_S))
                continue
            if self.has_left():
                return
            step = after_close(code, self._said_ms, self._welcome_ms)
            if isinstance(step, StayAway):
                return
            gevent.sleep(step.after_ms / 1000)

    def has_left(self) -> bool:
        """Whether this person has gone for good."""
        return self._leaving

    def cut(self) -> None:
        """Vanish as a phone in a tunnel does; `run` comes back by the rules."""
        self._cut_at_s = time.monotonic()
        self._abort()

    def leave(self) -> None:
        """Go for good; what was heard is added to the counts, without what others heard in the last moment."""
        if not self._leaving:
            self._leaving = True
            self._counts.heard.add(self.follower.heard)
            self.follower.gone()
            self._abort()

    def request(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message that is answered by an `ack`, and return that; raises RoomRefused."""
        if not self.welcomed.is_set() or len(self._pending) >= _MOST_PENDING:
            raise RoomRefused("not_connected")
        message_id = next(self._message_ids)
        answer = self._pending[message_id] = AsyncResult()
        try:
            self._send({**message, "id": message_id})
            event: dict[str, Any] = answer.get(timeout=_ACK_TIMEOUT_S)
        except gevent.Timeout:
            raise RoomRefused("no_answer") from None
        finally:
            del self._pending[message_id]
        if event["type"] == "error":
            raise RoomRefused(str(event["code"]))
        return event

    def send(self, message: dict[str, Any]) -> None:
        """Send a message that has no answer; raises RoomRefused."""
        if not self.welcomed.is_set():
            raise RoomRefused("not_connected")
        self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(msgspec.json.encode(message), websocket.ABNF.OPCODE_TEXT)
        except (OSError, websocket.WebSocketException) as error:
            raise RoomRefused("not_connected") from error

    def _live(self) -> int:
        """One connection from its handshake to its end; returns the close code. Raises OSError, WebSocketException."""
        self._said_ms, began_s = None, time.monotonic()
        hello = {"type": "hello", "broadcast_id": self._broadcast_id, "client_id": self._client_id}
        connection = websocket.create_connection(
            self._url, timeout=_CONNECT_TIMEOUT_S, subprotocols=[SUBPROTOCOL], enable_multithread=False
        )
        self._socket = connection
        try:
            connection.send(msgspec.json.encode({**hello, **self._reached, "token": self._token()}))
            return self._listen(connection, began_s)
        finally:
            self._socket = None
            self.welcomed.clear()
            connection.shutdown()  # type: ignore[no-untyped-call]  # the library's
            for answer in self._pending.values():
                answer.set({"type": "error", "code": "not_connected"})

    def _arrived(self, began_s: float) -> None:
        counts, now_s = self._counts, time.monotonic()
        counts.joins += 1
        counts.handshakes.add((now_s - began_s) * 1e3)
        if self._cut_at_s is not None:
            counts.all_back_s = max(counts.all_back_s, now_s - self._cut_at_s)
            self._cut_at_s = None
        self._joined((now_s - began_s) * 1e3, None)

    def _listen(self, connection: Any, began_s: float) -> int:
        code = ABNORMAL
        while True:
            try:
                opcode, payload = connection.recv_data()
            except (OSError, websocket.WebSocketException, AttributeError):
                break  # the end, a long silence, or a cut: `shutdown` takes the socket away under the reader
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = self._close_code(payload)
                break
            self._take(payload)
            if self.welcomed.is_set() and began_s:
                self._arrived(began_s)
                began_s = 0.0
                connection.settimeout(_SILENCE_S)
        if self._cut_at_s is None and not self._leaving:
            self._counts.drops += 1
            self._counts.slow_closes += code == 4000
        return code

    @staticmethod
    def _close_code(payload: Any) -> int:
        return int.from_bytes(payload[:2], "big") if isinstance(payload, bytes) and len(payload) >= 2 else ABNORMAL

    def _take(self, payload: str | bytes) -> None:
        counts, follower = self._counts, self.follower
        events = _decode.decode(payload)
        counts.frames += 1
        counts.events += len(events)
        for event in events:
            kind = event["type"]
            if kind in ("welcome", "position") and "epoch" in event:
                self._reached = {"epoch": event["epoch"], "offset": event["offset"]}
            if kind == "comment":
                follower.comment(event["comment_id"])
            elif kind == "position":
                follower.position(event.get("sampled_out", 0), event.get("shed", 0), lost=event.get("lost", False))
            elif kind == "welcome":
                follower.welcomed(recovered=event["recovered"], returned=self._was_here)
                self._was_here = True
                self._welcome_ms = event["reconnect_after_ms"]
                self.welcomed.set()
            elif kind == "bye":
                self._said_ms = event.get("retry_after_ms")
            elif kind in ("ack", "error") and event.get("id") in self._pending:
                self._pending[event["id"]].set(event)

    def _abort(self) -> None:
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError, AttributeError):
                connection.shutdown()
