"""What the engine tells reaches clock and room although Postgres or Redis were away when it was told; real ones."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
import redis.asyncio
from structlog.testing import capture_logs

from chat.broker import Delivery
from chat.broker_redis import RedisBroker
from chat.envelope import Envelope
from server.broadcast_reader import StreamClocks
from server.stream_state import StreamState
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from streaming.directory_redis import PublisherDirectory
from streaming.media_events import PublisherGone, PublisherStarted
from tests.server.people import seed_people

SHOW = "bc_show"
FIRST_PACKET = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PATIENCE = 400

Logs = Sequence[Mapping[str, object]]


class House:
    """A stream state that runs, and what a room on the same Redis is told."""

    def __init__(self, pool: asyncpg.Pool, client: redis.asyncio.Redis) -> None:
        self.pool = pool
        store = PostgresBroadcasts(pool)
        self.broker = RedisBroker(client)
        self.clocks = StreamClocks(store)
        self.state = StreamState(store, PublisherDirectory(client, "md-one"), self.broker, self.clocks)
        self.told: list[dict[str, object]] = []

    def hear(self, delivery: Delivery) -> None:
        """Take an event of the room."""
        self.told.append(msgspec.json.decode(msgspec.json.decode(delivery.envelope, type=Envelope).event))

    async def zero(self) -> datetime | None:
        zero: datetime | None = await self.pool.fetchval("SELECT clock_started_at FROM broadcasts")
        return zero

    async def until_told(self, publisher: str) -> dict[str, object]:
        """Wait until the room is told of the publisher, with the stream's time."""
        for _ in range(PATIENCE):
            for event in self.told:
                if event["publisher"] == publisher and event["stream_time_ms"] is not None:
                    return event
            await asyncio.sleep(0.05)
        pytest.fail(f"the room was told {self.told}")


@pytest.fixture
async def house(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> AsyncIterator[House]:
    await seed_people(pool)
    draft = Draft("x", "", "ac_host", "ac_monitor", None)
    await PostgresBroadcasts(pool).create(SHOW, "ac_host", draft, datetime.now(UTC))
    house = House(pool, redis_client)
    running = [asyncio.create_task(part) for part in (house.broker.run(), house.state.run())]
    await house.broker.subscribe(SHOW, house.hear, lambda: None)
    yield house
    for task in running:
        task.cancel()
    await asyncio.wait(running)


@asynccontextmanager
async def broadcasts_away(pool: asyncpg.Pool) -> AsyncIterator[Logs]:
    """Let every statement on broadcasts fail; gives what is logged meanwhile."""
    await pool.execute("ALTER TABLE broadcasts RENAME TO broadcasts_away")
    with capture_logs() as logs:
        yield logs
    await pool.execute("ALTER TABLE broadcasts_away RENAME TO broadcasts")


async def until_logged(logs: Logs, event: str) -> None:
    for _ in range(PATIENCE):
        if any(entry["event"] == event for entry in logs):
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never logged {event}: {logs}")


def started(after: timedelta = timedelta()) -> PublisherStarted:
    return PublisherStarted(SHOW, "rs_1", FIRST_PACKET + after, returned=False)


async def test_a_clock_that_postgres_could_not_take_starts_at_the_first_packet_once_it_can(house: House) -> None:
    async with broadcasts_away(house.pool) as logs:
        house.state.on_event(started())
        await until_logged(logs, "clock_waits")
    await house.until_told("flowing")
    assert await house.zero() == FIRST_PACKET
    assert await house.clocks.stream_time_ms(SHOW) is not None


async def test_a_publisher_that_came_back_meanwhile_does_not_move_the_first_packet(house: House) -> None:
    async with broadcasts_away(house.pool) as logs:
        house.state.on_event(started())
        house.state.on_event(PublisherGone(SHOW, "rs_1", FIRST_PACKET, "closed"))
        await until_logged(logs, "clock_waits")
    house.state.on_event(started(timedelta(seconds=9)))
    await house.until_told("flowing")
    assert await house.zero() == FIRST_PACKET


async def test_a_publisher_who_went_while_postgres_was_away_is_told_afterwards(house: House) -> None:
    house.state.on_event(started())
    await house.until_told("flowing")
    async with broadcasts_away(house.pool) as logs:
        house.state.on_event(PublisherGone(SHOW, "rs_1", FIRST_PACKET, "closed"))
        await until_logged(logs, "state_waits")
    await house.until_told("none")
