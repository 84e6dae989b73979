"""What every broker promises, in memory and on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.broker import Broker, Delivery, Position
from chat.broker_memory import MemoryBroker, MemoryHub
from chat.broker_redis import RedisBroker, StreamLimits
from chat.envelope import Sealed
from chat.errors import Unavailable
from chat.keys_redis import events_channel
from chat.replies_redis import waiting_reply

MakeBroker = Callable[[], Broker]
READABLE = 6


class Inbox:
    """Collects what a subscription delivers."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.gaps = 0
        self._came = asyncio.Event()

    @property
    def received(self) -> list[bytes]:
        return [delivery.envelope for delivery in self.deliveries]

    def deliver(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
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
        redis_broker = RedisBroker(redis_client, limits=StreamLimits(readable_per_s=READABLE))
        broker: Broker = MemoryBroker(hub) if request.param == "memory" else redis_broker
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
        await here.publish("bc_1", Sealed(envelope))
    for inbox in (a, b):
        await inbox.until(lambda inbox=inbox: len(inbox.received) == 100)  # type: ignore[misc]
        assert inbox.received == sent
        assert inbox.gaps == 0


async def test_what_is_published_after_subscribe_returned_arrives(make_broker: MakeBroker) -> None:
    publisher = make_broker()
    for number in range(20):
        subscriber, inbox = make_broker(), Inbox()
        await subscriber.subscribe("bc_1", inbox.deliver, inbox.gap)
        await publisher.publish("bc_1", Sealed(f"{number}".encode()))
        await inbox.until(lambda inbox=inbox: bool(inbox.received))  # type: ignore[misc]
        assert inbox.received[0] == f"{number}".encode()


async def test_rooms_do_not_hear_each_other(make_broker: MakeBroker) -> None:
    broker, a, b = make_broker(), Inbox(), Inbox()
    await broker.subscribe("bc_1", a.deliver, a.gap)
    await broker.subscribe("bc_2", b.deliver, b.gap)
    await broker.publish("bc_1", Sealed(b"one"))
    await broker.publish("bc_2", Sealed(b"two"))
    await b.until(lambda: bool(b.received))
    await a.until(lambda: bool(a.received))
    assert (a.received, b.received) == ([b"one"], [b"two"])


async def test_nothing_arrives_after_unsubscribe_and_a_room_can_be_taken_up_again(make_broker: MakeBroker) -> None:
    broker, first, second = make_broker(), Inbox(), Inbox()
    await broker.subscribe("bc_1", first.deliver, first.gap)
    await broker.unsubscribe("bc_1")
    await broker.publish("bc_1", Sealed(b"lost"))
    await broker.subscribe("bc_1", second.deliver, second.gap)
    await broker.publish("bc_1", Sealed(b"found"))
    await second.until(lambda: bool(second.received))
    assert (first.received, second.received) == ([], [b"found"])
    await broker.unsubscribe("bc_never")


async def test_a_crowd_publishing_at_once_is_taken_whole_and_in_the_order_of_its_calls(make_broker: MakeBroker) -> None:
    broker, inbox = make_broker(), Inbox()
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    sent = [f"{i}".encode() for i in range(1_000)]
    await asyncio.gather(*(broker.publish("bc_1", Sealed(envelope)) for envelope in sent))
    await inbox.until(lambda: len(inbox.received) == 1_000)
    assert inbox.received == sent


async def test_binary_and_large_envelopes_arrive_as_they_are(make_broker: MakeBroker) -> None:
    broker, inbox = make_broker(), Inbox()
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    sent = [b"", bytes(range(256)), b"x" * 300_000]
    for envelope in sent:
        await broker.publish("bc_1", Sealed(envelope))
    await inbox.until(lambda: len(inbox.received) == 3)
    assert inbox.received == sent


async def test_offsets_are_the_order_of_sending_and_of_what_is_kept(make_broker: MakeBroker) -> None:
    here, there, inbox = make_broker(), make_broker(), Inbox()
    await here.subscribe("bc_1", inbox.deliver, inbox.gap)
    began = await here.position("bc_1")
    assert began.offset == 0
    sealed = [Sealed(f"{i}".encode(), "total" if i % 5 == 0 else "must") for i in range(50)]
    await asyncio.gather(*((here, there)[i % 2].publish("bc_1", one) for i, one in enumerate(sealed)))
    await inbox.until(lambda: len(inbox.deliveries) == 50)
    placed = [delivery for delivery in inbox.deliveries if delivery.position is not None]
    assert [delivery.position for delivery in placed] == [Position(began.epoch, n) for n in range(1, 41)]
    assert (await there.replay("bc_1", began)).missed == placed
    assert (await there.replay("bc_1", Position(began.epoch, 33))).missed == placed[33:]
    assert (await there.position("bc_1")) == Position(began.epoch, 40)


async def test_what_cannot_be_said_any_more_is_not_said(make_broker: MakeBroker) -> None:
    broker = make_broker()
    await broker.publish("bc_1", Sealed(b"x"))
    epoch = (await broker.position("bc_1")).epoch
    for nonsense in (Position("other", 0), Position(epoch, 2), Position(epoch, -1), Position("", 2**80)):
        assert (await broker.replay("bc_1", nonsense)).missed is None


async def test_an_event_that_is_published_again_under_its_key_happens_once(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    for broker in (here, there, here):
        await broker.publish("bc_1", Sealed(b"a", once="fact/1"))
        await broker.publish("bc_2", Sealed(b"b", once="fact/1"))
    for room in ("bc_1", "bc_2"):
        assert (await here.position(room)).offset == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 400)), max_size=60))
def test_redis_and_memory_sample_the_same_comments(redis_url: str, said: list[tuple[str, int]]) -> None:
    async def run() -> None:
        now = 10_000
        hub = MemoryHub(READABLE)
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            await client.flushdb()
            limits = StreamLimits(readable_per_s=READABLE)
            brokers = (MemoryBroker(hub), RedisBroker(client, limits=limits, now_ms=lambda: now))
            for author, pause_ms in said:
                hub.now_ms = now = now + pause_ms
                for broker in brokers:
                    await broker.publish("bc_1", Sealed(b"x", "may", author))
            kept = []
            for broker in brokers:
                replay = await broker.replay("bc_1", Position((await broker.position("bc_1")).epoch, 0))
                kept.append([delivery.sampled_out for delivery in replay.missed or []])
            assert kept[0] == kept[1]

    asyncio.run(run())


async def test_a_restarted_redis_begins_a_new_epoch_even_when_it_kept_its_data(
    redis_client: redis.asyncio.Redis,
) -> None:
    broker = RedisBroker(redis_client)
    await broker.publish("bc_1", Sealed(b"x"))
    before = await broker.position("bc_1")
    # A restart shows in nothing but the run id: what it has on disk may end before what was sent.
    await redis_client.hset("wc:{room:bc_1}:position", "run", "another")
    after = await broker.replay("bc_1", before)
    assert after.missed is None
    assert after.position.epoch != before.epoch
    assert after.position.offset == 0


async def test_a_room_that_was_only_asked_for_is_forgotten_in_the_end(redis_client: redis.asyncio.Redis) -> None:
    await RedisBroker(redis_client).position("bc_1")
    assert 0 < await redis_client.ttl("wc:{room:bc_1}:position") <= 7 * 24 * 3600


async def test_the_stream_is_bounded_by_count_and_age(redis_client: redis.asyncio.Redis) -> None:
    broker = RedisBroker(redis_client, limits=StreamLimits(kept_events=100, kept_s=0.3))
    for _ in range(10):
        await asyncio.gather(*(broker.publish("bc_1", Sealed(b"x")) for _ in range(100)))
    assert await redis_client.xlen("wc:{room:bc_1}:stream") < 300  # whole nodes of 100 are dropped
    epoch = (await broker.position("bc_1")).epoch
    assert (await broker.replay("bc_1", Position(epoch, 0))).missed is None
    assert len((await broker.replay("bc_1", Position(epoch, 950))).missed or []) == 50
    await asyncio.sleep(0.4)
    assert await redis_client.exists("wc:{room:bc_1}:stream") == 0


async def test_a_killed_subscriber_resubscribes_and_says_that_there_was_a_gap(
    redis_client: redis.asyncio.Redis,
) -> None:
    broker, inbox = RedisBroker(redis_client), Inbox()
    running = asyncio.create_task(broker.run())
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    for round_number in range(1, 4):
        await redis_client.client_kill_filter(_type="pubsub")
        await inbox.until(lambda round_number=round_number: inbox.gaps == round_number)  # type: ignore[misc]
        await broker.publish("bc_1", Sealed(b"after"))
        await inbox.until(lambda round_number=round_number: len(inbox.received) == round_number)  # type: ignore[misc]
    running.cancel()
    await asyncio.wait([running])


async def test_a_subscriber_killed_for_its_output_buffer_recovers_and_says_that_there_was_a_gap(
    redis_client: redis.asyncio.Redis, redis_url: str
) -> None:
    broker, inbox = RedisBroker(redis_client), Inbox()
    running = asyncio.create_task(broker.run())
    await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    name = "client-output-buffer-limit"
    before = str((await redis_client.config_get(name))[name])
    await redis_client.config_set(name, "pubsub 64kb 0 0")  # Valkey counts references to large messages
    try:
        # This process does not read meanwhile: the call holds its loop.
        with redis.Redis.from_url(redis_url) as flooding:
            heard = [flooding.publish(events_channel("bc_1"), b"x" * 20_000) for _ in range(2_000)]
        assert heard[0] == 1
        assert heard[-1] == 0  # Redis has hung up on it
    finally:
        await redis_client.config_set(name, before)
    await inbox.until(lambda: inbox.gaps >= 1)
    await broker.publish("bc_1", Sealed(b"after"))
    await inbox.until(lambda: inbox.received[-1:] == [b"after"])
    running.cancel()
    await asyncio.wait([running])


async def test_a_broker_without_redis_refuses_in_time_and_its_run_can_be_cancelled() -> None:
    client: redis.asyncio.Redis = redis.asyncio.Redis(host="127.0.0.1", port=1)
    broker, inbox = RedisBroker(client, timeout_s=0.5), Inbox()
    running = asyncio.create_task(broker.run())
    with pytest.raises(Unavailable):
        await broker.publish("bc_1", Sealed(b"x"))
    with pytest.raises(Unavailable):
        await broker.subscribe("bc_1", inbox.deliver, inbox.gap)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    await client.aclose()


async def test_what_was_given_up_while_redis_was_away_is_not_kept() -> None:
    client = redis.asyncio.Redis(port=1)
    broker = RedisBroker(client, timeout_s=0.2)
    crowd = [broker.publish("bc_1", Sealed(b"x" * 1_000)) for _ in range(1_000)]
    given_up = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(error) for error in given_up} == {Unavailable}
    with pytest.raises(Unavailable):
        await broker.publish("bc_1", Sealed(b"y"))
    assert broker._outgoing == []
    await client.aclose()


async def test_replies_that_came_together_are_taken_without_waiting(redis_client: redis.asyncio.Redis) -> None:
    pubsub: Any = redis_client.pubsub()
    await pubsub.subscribe("c")
    assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
    assert waiting_reply(pubsub) is None
    pipeline = redis_client.pipeline()
    for number in range(3):
        pipeline.publish("c", number)
    await pipeline.execute()
    async with asyncio.timeout(15):
        first = await pubsub.get_message(timeout=5)
        others = [waiting_reply(pubsub), waiting_reply(pubsub)]
    assert first["data"] == b"0"
    assert [list(reply or []) for reply in others] == [[b"message", b"c", b"1"], [b"message", b"c", b"2"]]
    assert waiting_reply(pubsub) is None
    await pubsub.aclose()
