"""The broker on Redis: a stream and a channel a room, written in one step. Talks to Redis."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from chat.broker import Deliver, Gap, Position, Replay
from chat.envelope import Sealed
from chat.errors import Unavailable
from chat.keys_redis import events_channel, once_key, position_key, shown_key, stream_key
from chat.replies_redis import waiting_reply
from chat.stream_redis import PUBLISH, REPLAY, read_entries, read_message

log = logging.getLogger(__name__)

# A channel of no room keeps the subscriber's connection in use, so that it is watched before the first room opens.
_IDLE_CHANNEL = b"wc:gateways"
# The client's pool has a bound of connections and refuses beyond it, so a crowd of publishers must not take one each.
_PIPELINE = 256
_MAX_OUTGOING = 4_096
# A wake-up a message would cost more than the messages: a busy room's come together, well within its tick.
_GATHER_S = 0.02
_RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)


_Outgoing = tuple[str, Sealed, asyncio.Future[None]]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much of a room is kept for those who return, and how many comments a second viewers are shown (0: all)."""

    kept_events: int = 5_000
    kept_s: float = 600.0
    readable_per_s: int = 15


@dataclass(slots=True)
class _Subscription:
    deliver: Deliver
    gap: Gap
    confirmed: asyncio.Future[None]


class RedisBroker:
    """Publishes on the client's pool and receives on one connection of its own.

    redis-py restores subscriptions when it reconnects; a second confirmation of a channel is how a gap is seen.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        limits: StreamLimits | None = None,
        timeout_s: float = 3.0,
        silence_s: float = 5.0,
        now_ms: Callable[[], int] = lambda: 0,
        trace: Callable[[], str | None] | None = None,
    ) -> None:
        """`silence_s`: a connection that is silent this long is asked, and twice as long is given up.

        `now_ms`: epoch milliseconds, 0 for Redis's own clock, so that processes need not agree on theirs.
        `trace`: the `traceparent` of whoever publishes, to be carried along; None where nothing is traced.
        """
        self._client = client
        self._limits = limits or StreamLimits()
        self._now_ms = now_ms
        self._trace = trace
        self._publish = client.register_script(PUBLISH)
        self._replay = client.register_script(REPLAY)
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._pubsub: Any = client.pubsub()  # redis-py leaves half of it unannotated
        self._subscriptions: dict[bytes, _Subscription] = {}
        self._commands = asyncio.Lock()
        self._outgoing: list[_Outgoing] = []
        self._publishing = asyncio.Lock()

    async def publish(self, broadcast_id: str, sealed: Sealed) -> None:
        """Hand the envelope to Redis; those who publish at once share a pipeline, which also keeps their order."""
        if len(self._outgoing) >= _MAX_OUTGOING:
            raise Unavailable("too many events at once")
        if self._trace is not None and (traceparent := self._trace()) is not None:
            sealed = sealed.traced(traceparent)
        handed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outgoing.append((broadcast_id, sealed, handed))
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._publishing:
                    while not handed.done():
                        await self._publish_waiting()
                await handed
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("the room cannot be reached now") from error
        finally:
            handed.cancel()  # nobody waits any more: it is not sent, nor kept while Redis is away
            del handed  # its error's traceback holds this frame

    async def _publish_waiting(self) -> None:
        """Send what waits in one round trip; whoever holds the turn sends for all who have not given up."""
        waiting = [one for one in self._outgoing if not one[2].done()]
        batch, self._outgoing = waiting[:_PIPELINE], waiting[_PIPELINE:]
        rooms: dict[str, list[Sealed]] = {}
        for broadcast_id, sealed, _ in batch:
            rooms.setdefault(broadcast_id, []).append(sealed)
        try:
            await self._publish_rooms(rooms)
        except BaseException as error:
            _settle(batch, Unavailable("the room cannot be reached now"))
            if not isinstance(error, RedisError | OSError):
                raise
        else:
            _settle(batch, None)

    async def _publish_rooms(self, rooms: dict[str, list[Sealed]]) -> None:
        """Run the script once a room; a server that does not know it is told it and asked again."""
        results = await self._run_publish(rooms)
        unknown = {room: rooms[room] for room, result in results.items() if isinstance(result, NoScriptError)}
        if unknown:
            await self._client.script_load(PUBLISH)
            results |= await self._run_publish(unknown)
        for result in results.values():
            if isinstance(result, Exception):
                raise result

    async def _run_publish(self, rooms: dict[str, list[Sealed]]) -> dict[str, object]:
        pipeline = self._client.pipeline(transaction=False)
        for broadcast_id, events in rooms.items():
            keys, arguments = self._publish_arguments(broadcast_id, events)
            pipeline.evalsha(self._publish.sha, len(keys), *keys, *arguments)
        return dict(zip(rooms, await pipeline.execute(raise_on_error=False), strict=True))

    def _publish_arguments(self, room: str, events: list[Sealed]) -> tuple[list[str], list[str | int | bytes]]:
        limits, none = self._limits, position_key(room)
        keys = [none, stream_key(room)]
        kept_ms = int(limits.kept_s * 1_000)
        arguments: list[str | int | bytes] = [_fresh_epoch(), events_channel(room), limits.kept_events, kept_ms]
        arguments += [limits.readable_per_s, self._now_ms()]
        for sealed in events:
            keys.append(none if sealed.once is None else once_key(room, sealed.once))
            keys.append(none if sealed.author_id is None else shown_key(room, sealed.author_id))
            arguments += [sealed.importance, sealed.data]
        return keys, arguments

    async def position(self, broadcast_id: str) -> Position:
        """As the port says."""
        return (await self.replay(broadcast_id, Position("", 0))).position

    async def replay(self, broadcast_id: str, after: Position) -> Replay:
        """As the port says; what the stream's bounds have cut off counts as not to be said any more."""
        keys = [position_key(broadcast_id), stream_key(broadcast_id)]
        arguments: list[str | int] = [_fresh_epoch(), after.epoch, after.offset, 2 * self._limits.kept_events]
        try:
            async with asyncio.timeout(self._timeout_s):
                epoch, offset, *found = await self._replay(keys, arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("the room cannot be reached now") from error
        position = Position(epoch.decode(), int(offset))
        if not found:
            return Replay(position, None)
        missed = read_entries(position.epoch, found[0])
        return Replay(position, missed if len(missed) == position.offset - after.offset else None)

    async def subscribe(self, broadcast_id: str, deliver: Deliver, gap: Gap) -> None:
        """Subscribe and wait until Redis has confirmed."""
        channel = events_channel(broadcast_id).encode()
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscriptions[channel] = _Subscription(deliver, gap, confirmed)
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._commands:
                    await self._pubsub.subscribe(channel)
                await confirmed
        except (RedisError, OSError, TimeoutError) as error:
            self._subscriptions.pop(channel, None)
            raise Unavailable("the room cannot be reached now") from error

    async def unsubscribe(self, broadcast_id: str) -> None:
        """Forget the room at once and tell Redis."""
        channel = events_channel(broadcast_id).encode()
        self._subscriptions.pop(channel, None)
        try:
            async with asyncio.timeout(self._timeout_s), self._commands:
                # A new subscription may have been asked for while this waited for its turn.
                if channel not in self._subscriptions:
                    await self._pubsub.unsubscribe(channel)
        except (RedisError, OSError, TimeoutError):
            log.warning("unsubscribe failed; what still arrives is dropped", exc_info=True)

    async def run(self) -> None:
        """Receive until cancelled; a lost connection is made anew, with growing pauses while Redis is away."""
        failures, read_s = 0, float("-inf")
        task = asyncio.current_task()
        assert task is not None
        try:
            # Asked each time because redis-py sends through asyncio.wait_for, which before Python 3.12 can swallow a
            # cancellation that comes as the send completes.
            while not task.cancelling():
                try:
                    await self._receive()
                except (RedisError, OSError, TimeoutError) as error:
                    pause_s = _RETRY_S[min(failures, len(_RETRY_S) - 1)]
                    log.warning("room broker lost Redis (%s); again in %.2f s", type(error).__name__, pause_s)
                    failures += 1
                    await asyncio.sleep(pause_s)
                else:
                    failures = 0
                    read_s = await self._gather(read_s)
        finally:
            await self._pubsub.aclose()

    async def _receive(self) -> None:
        """Take one message; a silent connection must answer a ping."""
        if self._pubsub.connection is None:
            async with self._commands:
                await self._pubsub.subscribe(_IDLE_CHANNEL)
        message = await self._pubsub.get_message(timeout=self._silence_s)
        if message is None:
            async with self._commands:
                await self._pubsub.ping()
            message = await self._pubsub.get_message(timeout=self._silence_s)
            if message is None:
                await self._pubsub.connection.disconnect()
                raise TimeoutError("Redis does not answer")
        self._dispatch(message)
        while (reply := waiting_reply(self._pubsub)) is not None:
            if reply[0] == b"message":
                self._pass_on(reply[1], reply[2])
            else:
                self._dispatch(await self._pubsub.handle_message(reply))

    async def _gather(self, last_read_s: float) -> float:
        """While messages come one after the other, let some come together; returns the time of this read."""
        loop = asyncio.get_running_loop()
        if loop.time() - last_read_s < _GATHER_S:
            await asyncio.sleep(_GATHER_S)
        return loop.time()

    def _dispatch(self, message: dict[str, object] | None) -> None:
        channel = message["channel"] if message is not None else None
        if message is None or not isinstance(channel, bytes):
            return
        if message["type"] == "message":
            data = message["data"]
            assert isinstance(data, bytes)
            self._pass_on(channel, data)
        elif message["type"] == "subscribe" and (subscription := self._subscriptions.get(channel)) is not None:
            if subscription.confirmed.done():
                subscription.gap()
            else:
                subscription.confirmed.set_result(None)

    def _pass_on(self, channel: bytes, data: bytes) -> None:
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            return
        delivery = read_message(data)
        if delivery is None:
            log.warning("something that is not an event came over %s; dropped", channel)
        else:
            subscription.deliver(delivery)


def _fresh_epoch() -> str:
    """Name an epoch, should Redis need to begin one."""
    return secrets.token_hex(5)


def _settle(batch: list[_Outgoing], error: Unavailable | None) -> None:
    """Tell those who wait; one that gave up cancelled its future."""
    for _, _, handed in batch:
        if handed.done():
            continue
        if error is None:
            handed.set_result(None)
        else:
            handed.set_exception(error)
            handed.exception()  # heard, should its publisher have been cancelled meanwhile
