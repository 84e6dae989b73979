"""What every broker promises, in memory and on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis.asyncio

from chat.broker import Broker
from chat.broker_memory import MemoryBroker, MemoryHub
from chat.broker_redis import RedisBroker
from chat.errors import Unavailable

MakeBroker = Callable[[], Broker]


class Inbox:
    """Collects what a subscription delivers."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.gaps = 0
        self._came = asyncio.Event()

    def deliver(self, data: bytes) -> None:
        self.received.append(data)
        self._came.set()

    def gap(self) -> None:
        self.gaps += 1
        self._came.set()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not done():
                self._came.clear()
                await self._came.wait()


@pytest.fixture(params=["memory", "redis"])
async def make_broker(request: pytest.FixtureRequest, redis_client: redis.asyncio.Redis) -> AsyncIterator[MakeBroker]:
    hub, running = MemoryHub(), []

    def make() -> Broker:
        broker: Broker = MemoryBroker(hub) if request.param == "memory" else RedisBroker(redis_client)
        running.append(asyncio.create_task(broker.run()))
        return broker

    yield make
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def test_every_subscriber_gets_every_envelope_in_order(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    a, b = Inbox(), Inbox()
    await here.subscribe("bc_1", a.deliver, a.gap)
    await there.subscribe("bc_1", b.deliver, b.gap)
    sent = [f"{i}".encode() for i in range(100)]
    for envelope in sent:
        await here.publish("bc_1", envelope)
    for inbox in (a, b):
        await inbox.until(lambda inbox=inbox: len(inbox.received) == 100)  # type: ignore[misc]
        assert inbox.received == sent
        assert inbox.gaps == 0


async def test_what_is_published_after_subscribe_returned_arrives(make_broker: MakeBroker) -> None:
    publisher = make_broker()
    for number in range(20):
        subscriber, inbox = make_broker(), Inbox()
        await subscriber.subscribe("bc_1", inbox.deliver, inbox.gap)
        await publisher.publish("bc_1", f"{number}".encode())
        await inbox.until(lambda inbox=inbox: bool(inbox.received))  # type: ignore[misc]
        assert inbox.received[0] == f"{number}".encode()


async def test_rooms_do_not_hear_each_other(make_broker: MakeBroker) -> None:
    broker, a, b = make_broker(), Inbox(), Inbox()
    await broker.subscribe("bc_1", a.deliver, a.gap)
    await broker.subscribe("bc_2", b.deliver, b.gap)
    await broker.publish("bc_1", b"one")
    await broker.publish("bc_2", b"two")
    await b.until(lambda: bool(b.received))
    await a.until(lambda: bool(a.received))
    assert (a.received, b.received) == ([b"one"], [b"two"])


async def test_nothing_arrives_after_unsubscribe_and_a_room_can_be_taken_up_again(make_broker: MakeBroker) -> None:
    broker, first, second = make_broker(), Inbox(), Inbox()
    await broker.subscribe("bc_1", first.deliver, first.gap)
    await broker.unsubscribe("bc_1")
    await broker.publish("bc_1", b"lost")
    await broker.subscribe("bc_1", second.deliver, second.gap)
    await broker.publish("bc_1", b"found")
    await second.until(lambda: bool(second.received))
    assert (first.received, second.received) == ([], [b"found"])
    await broker.unsubscribe("bc_never")


async def test_a_crowd_publishing_at_once_is_taken_whole_and_in_the_order_of_its_calls(make_broker: MakeBroker) -> None:
    broker, inbox = make_broker(), Inbox()
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    sent = [f"{i}".encode() for i in range(1_000)]
    await asyncio.gather(*(broker.publish("bc_1", envelope) for envelope in sent))
    await inbox.until(lambda: len(inbox.received) == 1_000)
    assert inbox.received == sent


async def test_binary_and_large_envelopes_arrive_as_they_are(make_broker: MakeBroker) -> None:
    broker, inbox = make_broker(), Inbox()
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    sent = [b"", bytes(range(256)), b"x" * 300_000]
    for envelope in sent:
        await broker.publish("bc_1", envelope)
    await inbox.until(lambda: len(inbox.received) == 3)
    assert inbox.received == sent


async def test_a_killed_subscriber_resubscribes_and_says_that_there_was_a_gap(
    redis_client: redis.asyncio.Redis,
) -> None:
    broker, inbox = RedisBroker(redis_client), Inbox()
    running = asyncio.create_task(broker.run())
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    for round_number in range(1, 4):
        await redis_client.client_kill_filter(_type="pubsub")
        await inbox.until(lambda round_number=round_number: inbox.gaps == round_number)  # type: ignore[misc]
        await broker.publish("bc_1", b"after")
        await inbox.until(lambda round_number=round_number: len(inbox.received) == round_number)  # type: ignore[misc]
    running.cancel()
    await asyncio.wait([running])


async def test_a_broker_without_redis_refuses_in_time_and_its_run_can_be_cancelled() -> None:
    client: redis.asyncio.Redis = redis.asyncio.Redis(host="127.0.0.1", port=1)
    broker, inbox = RedisBroker(client, timeout_s=0.5), Inbox()
    running = asyncio.create_task(broker.run())
    with pytest.raises(Unavailable):
        await broker.publish("bc_1", b"x")
    with pytest.raises(Unavailable):
        await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    await client.aclose()
