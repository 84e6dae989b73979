"""A show's figures over gateways and restarts, on real sockets and Postgres."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
import pytest
import redis.asyncio

from chat.attendance import Totals
from chat.figures import Figures
from chat.figures_postgres import PostgresFigures
from chat.presence_redis import RedisPresence
from chat.rooms import RoomTimes
from tests.chat.fakes import BROADCAST
from tests.server.gateway_rig import Rig, joined

QUICK = {"figures_s": 0.1, "times": RoomTimes(presence_s=0.1)}


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


async def figures_when(rig: Rig, done: Callable[[Figures], bool]) -> Figures:
    store = PostgresFigures(rig.pool)
    for _ in range(100):
        figures = await store.read(BROADCAST)
        if done(figures):
            return figures
        await asyncio.sleep(0.1)
    pytest.fail(f"never so: {figures}")


async def test_figures_add_up_over_gateways_and_survive_their_end(rig: Rig) -> None:
    async with (
        rig.gateway(**QUICK) as one,
        rig.gateway(**QUICK) as two,
        joined(rig, one, ("ac_a", "viewer"), ("ac_monitor", "monitor")) as (first, _),
        joined(rig, two, ("ac_b", "viewer"), ("ac_a", "viewer")) as (second, _),
    ):
        await first.send(type="visibility", hidden=True)
        await second.comment("封闭期多久", kind="question")
        figures = await figures_when(rig, lambda f: f.background == 1 and f.peak_online == 4 and f.watched_s > 0)
        assert (figures.views, figures.visitors) == (3, 2)
        assert (figures.questions, figures.questions_unanswered, figures.comments) == (1, 1, 1)
        assert await RedisPresence(rig.redis).online(BROADCAST) == 4
    ended = await figures_when(rig, lambda f: f.background == 0)
    assert (ended.views, ended.visitors, ended.peak_online) == (3, 2, 4)
    assert ended.watched_s >= figures.watched_s
    async with rig.gateway(**QUICK) as three, joined(rig, three, ("ac_c", "viewer")):
        again = await figures_when(rig, lambda f: f.visitors == 3)
        assert (again.views, again.peak_online) == (4, 4)
    assert again.average_watch_s <= again.watched_s


async def test_a_repeated_checkpoint_changes_nothing(rig: Rig) -> None:
    store = PostgresFigures(rig.pool)
    for totals in (Totals(2, 5_000, 0, 0), Totals(3, 9_000, 1_000, 1), Totals(2, 5_000, 0, 0)):
        await store.keep(BROADCAST, "gw/1", totals, {"ac_a", "ac_b"}, [], 2, datetime.now(UTC))
    figures = await store.read(BROADCAST)
    assert (figures.views, figures.watched_s, figures.visitors, figures.average_watch_s) == (3, 9, 2, 4.5)
