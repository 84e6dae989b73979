"""One person in one room over the WebSocket protocol of docs/protocol.md. I/O: one WebSocket.

`run` keeps the person connected by the protocol's rules; `request` and `send` speak while they are.
Waits are bounded by `asyncio.timeout`: in Python 3.11 `wait_for` can swallow a cancellation.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from load_tests.backoff import Backoff
from load_tests.http_client import ApiError, Person, Unreachable
from load_tests.reconnection import ABNORMAL, StayAway, after_close

SUBPROTOCOL: Final = "wealthcast.v1.json"
_SILENCE_S: Final = 30.0
_CONNECT_TIMEOUT_S: Final = 10.0
_SEND_TIMEOUT_S: Final = 5.0
_ACK_TIMEOUT_S: Final = 10.0
_MOST_PENDING: Final = 64
_TOKEN_CHECK_S: Final = 30.0

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class NotConnected(Exception):
    """There is no connection to speak on, or it broke before the answer."""


class Refused(Exception):
    """The room answered with an `error` event; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class RoomClient:
    """`on_event` sees every event in order, synchronously; it must be quick and not raise."""

    def __init__(
        self,
        url: str,
        broadcast_id: str,
        client_id: str,
        person: Person,
        on_event: Callable[[Event], None],
    ) -> None:
        self._url = url
        self._broadcast_id = broadcast_id
        self._client_id = client_id
        self._person = person
        self._on_event = on_event
        # Message ids are per account, which other clients may share, and outlive this process.
        self._message_ids = (f"{uuid4().hex[:12]}-{number}" for number in itertools.count(1))
        self._pending: dict[str, asyncio.Future[Event]] = {}
        self._connection: ClientConnection | None = None
        self._token = ""
        self._welcome_ms = 1_000
        self._reached: Event = {}
        self._said_ms: int | None = None
        self.welcomed = asyncio.Event()

    async def run(self) -> StayAway:
        """Stay connected; return only when the protocol says not to come back. Cancel to leave."""
        backoff = Backoff(first_s=0.5, most_s=5)
        while True:
            try:
                code = await self._connected()
            except ApiError as error:
                logger.warning("%s cannot sign in: %s", self._person.login, error)
                await asyncio.sleep(backoff.next_s())
                continue
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, Unreachable) as error:
                logger.debug("%s cannot connect: %s", self._client_id, error)
                await asyncio.sleep(backoff.next_s())
                continue
            step = after_close(code, self._said_ms, self._welcome_ms)
            if isinstance(step, StayAway):
                return step
            if step.fresh_token:
                self._person.forget_token()
            backoff.reset()
            # Never less than the first step of the back-off: a server that says 0 is not stormed.
            await asyncio.sleep(max(step.after_ms / 1000, backoff.next_s()))

    async def request(self, message: Event) -> Event:
        """Send a message that is answered by an `ack`, and return that; raises NotConnected and Refused."""
        if len(self._pending) >= _MOST_PENDING:
            raise NotConnected("too many unanswered requests")
        message_id = next(self._message_ids)
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._pending[message_id] = answer
        try:
            await self.send({**message, "id": message_id})
            async with asyncio.timeout(_ACK_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise NotConnected("no answer in time") from None
        finally:
            del self._pending[message_id]

    async def send(self, message: Event) -> None:
        """Send a message that has no answer; raises NotConnected."""
        connection = self._connection
        if connection is None or not self.welcomed.is_set():
            raise NotConnected("not connected")
        await _send(connection, message)

    async def _connected(self) -> int:
        """Live through one connection; return its close code."""
        self._said_ms = None
        self._token = await self._person.token()
        connection = await connect(
            self._url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]  # Subprotocol is a NewType of str
            compression=None,
            proxy=None,
            open_timeout=_CONNECT_TIMEOUT_S,
            close_timeout=1,
        )
        self._connection = connection
        try:
            hello = {"type": "hello", "broadcast_id": self._broadcast_id, "client_id": self._client_id}
            await _send(connection, {**hello, **self._reached, "token": self._token})
            async with asyncio.TaskGroup() as tasks:
                refreshing = tasks.create_task(self._keep_token_fresh(connection))
                await self._listen(connection)
                refreshing.cancel()
        except* (NotConnected, ConnectionClosed):
            pass
        except* msgspec.DecodeError as group:
            logger.warning("%s was sent a frame that is not a JSON array: %s", self._client_id, group.exceptions[0])
        finally:
            self._connection = None
            self.welcomed.clear()
            self._fail_pending()
            await _close(connection)
        return connection.close_code or ABNORMAL

    async def _listen(self, connection: ClientConnection) -> None:
        """Read until the connection ends, or has been silent for 30 s."""
        while True:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    frame = await connection.recv()
            except (ConnectionClosed, TimeoutError):
                return
            for event in msgspec.json.decode(frame, type=list[Event]):
                self._take(event)

    def _take(self, event: Event) -> None:
        kind = event.get("type")
        if kind in ("welcome", "position") and "epoch" in event:
            self._reached = {"epoch": event["epoch"], "offset": event["offset"]}
        if kind == "welcome":
            self._welcome_ms = int(event["reconnect_after_ms"])
            self.welcomed.set()
        elif kind == "bye":
            self._said_ms = event.get("retry_after_ms")
        elif kind in ("ack", "error"):
            self._answer(kind, event)
        self._on_event(event)

    def _answer(self, kind: str, event: Event) -> None:
        answer = self._pending.get(str(event.get("id")))
        if answer is None or answer.done():
            return
        if kind == "ack":
            answer.set_result(event)
        else:
            answer.set_exception(Refused(str(event["code"]), str(event.get("message", ""))))

    async def _keep_token_fresh(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(_TOKEN_CHECK_S)
            with contextlib.suppress(Unreachable, ApiError):
                token = await self._person.token()
                if token != self._token:
                    self._token = token
                    await _send(connection, {"type": "auth.refresh", "token": token})

    def _fail_pending(self) -> None:
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(NotConnected("the connection ended"))


async def _send(connection: ClientConnection, message: Event) -> None:
    try:
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await connection.send(msgspec.json.encode(message).decode())
    except (ConnectionClosed, TimeoutError) as error:
        raise NotConnected("the connection ended") from error


async def _close(connection: ClientConnection) -> None:
    """Close within 1 s, by force if the other end does not answer."""
    try:
        async with asyncio.timeout(1):
            await connection.close()
    except TimeoutError:
        connection.transport.abort()
