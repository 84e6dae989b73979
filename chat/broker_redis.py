"""The broker on Redis pub/sub. Talks to Redis."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from chat.broker import Deliver, Gap
from chat.errors import Unavailable
from chat.keys_redis import events_channel

log = logging.getLogger(__name__)

# A channel of no room keeps the subscriber's connection in use, so that it is watched before the first room opens.
_IDLE_CHANNEL = b"wc:gateways"
# The client's pool has a bound of connections and refuses beyond it, so a crowd of publishers must not take one each.
_PIPELINE = 256
_MAX_OUTGOING = 4_096
_RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)


_Outgoing = tuple[str, bytes, asyncio.Future[None]]


@dataclass(slots=True)
class _Subscription:
    deliver: Deliver
    gap: Gap
    confirmed: asyncio.Future[None]


class RedisBroker:
    """Publishes on the client's pool and receives on one connection of its own.

    redis-py restores subscriptions when it reconnects; a second confirmation of a channel is how a gap is seen.
    """

    def __init__(self, client: redis.asyncio.Redis, *, timeout_s: float = 3.0, silence_s: float = 5.0) -> None:
        """`silence_s`: a connection that is silent this long is asked, and twice as long is given up."""
        self._client = client
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._pubsub: Any = client.pubsub()  # redis-py leaves half of it unannotated
        self._subscriptions: dict[bytes, _Subscription] = {}
        self._commands = asyncio.Lock()
        self._outgoing: list[_Outgoing] = []
        self._publishing = asyncio.Lock()

    async def publish(self, broadcast_id: str, envelope: bytes) -> None:
        """Hand the envelope to Redis; those who publish at once share a pipeline, which also keeps their order."""
        if len(self._outgoing) >= _MAX_OUTGOING:
            raise Unavailable("too many events at once")
        handed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outgoing.append((events_channel(broadcast_id), envelope, handed))
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._publishing:
                    while not handed.done():
                        await self._publish_waiting()
                await handed
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("the room cannot be reached now") from error

    async def _publish_waiting(self) -> None:
        """Send what waits in one round trip; whoever holds the turn sends for all."""
        batch, self._outgoing = self._outgoing[:_PIPELINE], self._outgoing[_PIPELINE:]
        pipeline = self._client.pipeline(transaction=False)
        for channel, envelope, _ in batch:
            pipeline.publish(channel, envelope)
        try:
            await pipeline.execute()
        except BaseException as error:
            _settle(batch, Unavailable("the room cannot be reached now"))
            if not isinstance(error, RedisError | OSError):
                raise
        else:
            _settle(batch, None)

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
        failures = 0
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

    def _dispatch(self, message: dict[str, object]) -> None:
        channel = message["channel"]
        subscription = self._subscriptions.get(channel) if isinstance(channel, bytes) else None
        if subscription is None:
            return
        if message["type"] == "message":
            data = message["data"]
            assert isinstance(data, bytes)
            subscription.deliver(data)
        elif message["type"] == "subscribe":
            if subscription.confirmed.done():
                subscription.gap()
            else:
                subscription.confirmed.set_result(None)


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
