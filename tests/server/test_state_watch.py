"""Rooms learn of a move that nobody could tell them of, on a real Postgres; everyone in one that is over leaves."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from server.gateway.gateway import Gateway
from server.state_watch import StateWatch
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from tests.chat.fakes import BROADCAST, FakeClock
from tests.server.gateway_rig import Rig, joined, redis_of_ones_own
from tests.server.people import seed_people

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def store(pool: asyncpg.Pool) -> PostgresBroadcasts:
    """Postgres with the broadcast of the rig in it, live."""
    await seed_people(pool)
    store = PostgresBroadcasts(pool)
    await store.create(BROADCAST, "ac_host", Draft("x", "", "ac_host", "ac_monitor", None), datetime.now(UTC))
    await pool.execute("UPDATE broadcasts SET state = 'live'")
    return store


@asynccontextmanager
async def watched(gateway: Gateway, store: PostgresBroadcasts) -> AsyncIterator[None]:
    """Let a gateway's rooms be watched, as the program does."""
    watching = asyncio.create_task(StateWatch(store, gateway.rooms, FakeClock()).run())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def moved_by_one_who_dies(url: str, move: str) -> None:
    """Make the move in a process that is killed right after the commit."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.server.cutting_process", url, BROADCAST, move, cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("move", "state"), [("terminate", "terminated"), ("end", "ended")])
async def test_everyone_leaves_although_the_process_that_cut_died_right_after_the_commit(
    move: str,
    state: str,
    store: PostgresBroadcasts,
    pool: asyncpg.Pool,
    postgres_url: str,
    redis_client: redis.asyncio.Redis,
) -> None:
    rig = Rig(pool, redis_client)
    async with (
        rig.gateway() as gateway,
        watched(gateway, store),
        joined(rig, gateway, ("ac_a", "viewer"), ("ac_host", "host")) as (viewer, host),
    ):
        await moved_by_one_who_dies(postgres_url, move)
        assert await viewer.closed() == await host.closed() == (4504, "broadcast_over")
        told = next(event for event in viewer.events if event["type"] == "state")
        assert told == {"type": "state", "state": state, "publisher": "none", "stream_time_ms": 5_000}


async def test_a_pause_is_told_although_the_process_that_made_it_died(
    store: PostgresBroadcasts, pool: asyncpg.Pool, postgres_url: str, redis_client: redis.asyncio.Redis
) -> None:
    rig = Rig(pool, redis_client)
    async with (
        rig.gateway() as gateway,
        watched(gateway, store),
        joined(rig, gateway, ("ac_a", "viewer")) as (viewer,),
    ):
        await moved_by_one_who_dies(postgres_url, "pause")
        assert (await viewer.next_of("state"))["state"] == "paused"
        assert (await viewer.comment("still here"))["verdict"] == "pass"


async def test_everyone_leaves_although_redis_is_away_at_the_cut(
    store: PostgresBroadcasts, pool: asyncpg.Pool, embedded_dir: Path, postgres_url: str
) -> None:
    async with redis_of_ones_own(embedded_dir / "cut") as (valkey, client):
        rig = Rig(pool, client)
        async with (
            rig.gateway() as gateway,
            watched(gateway, store),
            joined(rig, gateway, ("ac_a", "viewer")) as (viewer,),
        ):
            valkey.stop()
            await moved_by_one_who_dies(postgres_url, "terminate")
            assert await viewer.closed() == (4504, "broadcast_over")


class OneRoom:
    """A room that remembers what it was told."""

    def __init__(self) -> None:
        self.told = ["live"]

    def states(self) -> Mapping[str, str]:
        return {BROADCAST: self.told[-1]}

    def tell_state(self, _broadcast_id: str, state: str, _stream_time_ms: int | None) -> None:
        self.told.append(state)


async def test_one_look_between_a_move_and_its_event_tells_nothing(
    store: PostgresBroadcasts, pool: asyncpg.Pool
) -> None:
    room = OneRoom()
    watch = StateWatch(store, room, FakeClock())
    await pool.execute("UPDATE broadcasts SET state = 'paused'")
    await watch.look()
    room.told.append("paused")  # the event came
    for _ in range(3):
        await watch.look()
    assert room.told == ["live", "paused"]
