"""When the sale stands still: the monitor's absence and the recorder's, read from real stores with a driven clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from chat.errors import Unavailable
from chat.keys_redis import monitors_key
from chat.presence_redis import RedisPresence
from chat.sightings_postgres import SightedPresence
from commerce.ports import BroadcastFacts
from server.broadcast_reader import SaleReader
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from streaming.recorder_redis import SILENT_AFTER_S, RecorderDirectory
from tests.server.people import seed_people

SHOW = "bc_show"
ABSENT_AFTER_S = 60


@dataclass
class Desk:
    """What a test moves: the clock, the monitor's last sign, the recorder."""

    reader: SaleReader
    presence: SightedPresence
    recorders: RecorderDirectory
    client: redis.asyncio.Redis
    failing: set[str] = field(default_factory=set)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def facts(self, after_s: float = 0) -> BroadcastFacts:
        self.now += timedelta(seconds=after_s)
        return await self.reader.read(SHOW)

    async def monitor_is_here(self) -> None:
        await self.client.hset(monitors_key(SHOW), "ac_monitor", str(int(self.now.timestamp() * 1_000)))

    async def gateway_reports(self) -> None:
        """As a gateway with the monitor does every two seconds, whether Redis takes it or not."""
        with suppress(Unavailable):
            await self.presence.report(SHOW, "gw", 1, ["ac_monitor"])

    @asynccontextmanager
    async def redis_away(self) -> AsyncIterator[None]:
        """Nobody here reaches Redis in the block; what is kept there grows old."""
        pool: Any = self.client.connection_pool  # redis-py leaves half of it unannotated
        here = dict(pool.connection_kwargs)
        await pool.disconnect()
        pool.reset()
        pool.connection_kwargs.update(path="/nowhere/valkey.sock")
        try:
            yield
        finally:
            pool.reset()
            pool.connection_kwargs.clear()
            pool.connection_kwargs.update(here)


@pytest.fixture
async def open_desk(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Callable[[], Awaitable[Desk]]:
    await seed_people(pool)
    store = PostgresBroadcasts(pool)
    await store.create(SHOW, "ac_host", Draft("x", "", "ac_host", "ac_monitor", None), datetime.now(UTC))
    await pool.execute("UPDATE broadcasts SET state = 'live'")

    async def opened() -> Desk:
        """One process's reader; another call is another process, or the same one started again."""
        desk: Desk
        presence = SightedPresence(RedisPresence(redis_client), pool, now=lambda: desk.now)
        recorders = RecorderDirectory(redis_client)
        reader = SaleReader(
            store,
            presence,
            recorders,
            ABSENT_AFTER_S,
            recorded=True,
            failing_here=lambda: frozenset(desk.failing),
            now=lambda: desk.now,
        )
        desk = Desk(reader, presence, recorders, redis_client)
        return desk

    return opened


async def test_a_monitor_counts_as_gone_after_the_settings_seconds_and_not_before(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk, other = await open_desk(), await open_desk()
    await desk.monitor_is_here()
    assert not (await desk.facts(ABSENT_AFTER_S - 1)).monitor_absent
    assert (await desk.facts(2)).monitor_absent
    assert (await other.facts(ABSENT_AFTER_S + 2)).monitor_absent
    await desk.monitor_is_here()
    assert not (await desk.facts()).monitor_absent


async def test_a_real_report_of_a_gateway_is_a_sign_of_the_monitor(open_desk: Callable[[], Awaitable[Desk]]) -> None:
    desk = await open_desk()
    await desk.presence.report(SHOW, "gw", 1, ["ac_monitor"])
    assert not (await desk.facts(ABSENT_AFTER_S - 5)).monitor_absent
    assert (await desk.facts(10)).monitor_absent


async def test_a_redis_that_lost_its_memory_takes_no_card_down_at_once(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    await desk.monitor_is_here()
    await desk.client.flushall()
    assert not (await desk.facts(1)).monitor_absent
    assert not (await desk.facts(ABSENT_AFTER_S - 1)).monitor_absent
    assert (await desk.facts(3)).monitor_absent


async def test_a_recorder_that_fails_has_stopped_until_it_says_otherwise(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    assert not (await desk.facts()).recording_unavailable
    await desk.recorders.put(SHOW, "failing")
    assert (await desk.facts()).recording_unavailable
    await desk.recorders.put(SHOW, "recording")
    assert not (await desk.facts()).recording_unavailable


async def test_a_recorder_that_fell_silent_has_stopped_and_one_that_was_put_away_has_not(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    await desk.recorders.put(SHOW, "recording")
    key = f"wc:{{room:{SHOW}}}:recorder"
    left_ms = await desk.client.pttl(key)
    await desk.client.pexpire(key, left_ms - int(SILENT_AFTER_S * 1_000) - 1)  # as if so much time had passed
    assert (await desk.facts()).recording_unavailable
    await desk.recorders.put(SHOW, "recording")
    assert not (await desk.facts()).recording_unavailable
    await desk.recorders.forget(SHOW)
    assert not (await desk.facts()).recording_unavailable


async def test_the_process_that_cannot_record_knows_it_without_redis(open_desk: Callable[[], Awaitable[Desk]]) -> None:
    desk = await open_desk()
    desk.failing.add(SHOW)
    assert (await desk.facts()).recording_unavailable


async def test_the_monitor_is_known_while_redis_is_away_and_missed_when_they_leave_then(
    open_desk: Callable[[], Awaitable[Desk]], pool: asyncpg.Pool
) -> None:
    desk = await open_desk()
    await desk.gateway_reports()
    assert await pool.fetchval("SELECT count(*) FROM monitor_sightings") == 0  # nothing is written in good times
    async with desk.redis_away():
        await desk.gateway_reports()
        assert not (await desk.facts(ABSENT_AFTER_S - 5)).monitor_absent
        await pool.execute("UPDATE monitor_sightings SET seen_at = $1", desk.now)  # they are there yet
        assert not (await desk.facts(ABSENT_AFTER_S - 5)).monitor_absent
        assert (await desk.facts(10)).monitor_absent


async def test_buying_goes_on_when_redis_comes_back_after_longer_than_a_monitor_may_be_gone(
    open_desk: Callable[[], Awaitable[Desk]], pool: asyncpg.Pool
) -> None:
    desk = await open_desk()
    await desk.gateway_reports()
    await desk.recorders.put(SHOW, "recording")
    async with desk.redis_away():
        await desk.gateway_reports()
        desk.now += timedelta(seconds=3 * ABSENT_AFTER_S)
        await pool.execute("UPDATE monitor_sightings SET seen_at = $1", desk.now)
        assert not (await desk.facts()).monitor_absent
    key = f"wc:{{room:{SHOW}}}:recorder"
    await desk.client.pexpire(key, await desk.client.pttl(key) - int(3_000 * ABSENT_AFTER_S))
    back = await desk.facts()
    assert (back.monitor_absent, back.recording_unavailable) == (False, False)
    assert (await desk.facts(SILENT_AFTER_S + 1)).recording_unavailable


async def test_a_monitor_of_whom_no_gateway_tells_while_redis_is_away_is_missed_after_the_settings_seconds(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    async with desk.redis_away():
        assert not (await desk.facts()).monitor_absent
        assert not (await desk.facts(ABSENT_AFTER_S - 1)).monitor_absent
        assert (await desk.facts(2)).monitor_absent


async def test_a_second_absence_of_redis_takes_no_card_down_for_what_was_sighted_in_the_first(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    async with desk.redis_away():
        await desk.gateway_reports()
    desk.now += timedelta(seconds=3 * ABSENT_AFTER_S)
    await desk.monitor_is_here()
    assert not (await desk.facts()).monitor_absent
    async with desk.redis_away():
        assert not (await desk.facts(1)).monitor_absent  # no gateway has come to tell yet
        assert not (await desk.facts(ABSENT_AFTER_S - 1)).monitor_absent
        assert (await desk.facts(3)).monitor_absent


async def test_a_monitor_who_had_gone_before_redis_went_is_gone_while_it_is_away(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    await desk.monitor_is_here()
    assert (await desk.facts(ABSENT_AFTER_S + 1)).monitor_absent
    async with desk.redis_away():
        assert (await desk.facts(1)).monitor_absent


async def test_a_redis_that_lost_its_memory_takes_no_card_down_for_an_old_sighting(
    open_desk: Callable[[], Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    async with desk.redis_away():
        await desk.gateway_reports()
    await desk.client.flushall()
    assert not (await desk.facts(3 * ABSENT_AFTER_S)).monitor_absent
    assert (await desk.facts(ABSENT_AFTER_S + 1)).monitor_absent
