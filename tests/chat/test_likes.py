"""Likes are exact whatever is lost: on a real Valkey and a real Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import asyncpg
import pytest
import redis.asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chat.errors import Unavailable
from chat.likes_postgres import PostgresLikeCheckpoint
from chat.likes_redis import RedisLikeStore

RUN = "wc:{room:bc_1}:likes_run"


@pytest.fixture
def checkpoint(pool: asyncpg.Pool) -> PostgresLikeCheckpoint:
    return PostgresLikeCheckpoint(pool)


@pytest.fixture
async def make_store(
    redis_client: redis.asyncio.Redis, checkpoint: PostgresLikeCheckpoint
) -> AsyncIterator[Callable[[], RedisLikeStore]]:
    running = []

    def make() -> RedisLikeStore:
        store = RedisLikeStore(redis_client, checkpoint, save_every_s=0.01)
        running.append(asyncio.create_task(store.run()))
        return store

    yield make
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def saved(checkpoint: PostgresLikeCheckpoint, counts: dict[str, int]) -> None:
    async with asyncio.timeout(15):
        while await checkpoint.load("bc_1") != counts:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_totals_outlive_a_redis_that_lost_everything(
    make_store: Callable[[], RedisLikeStore], checkpoint: PostgresLikeCheckpoint, redis_client: redis.asyncio.Redis
) -> None:
    here, there = make_store(), make_store()
    await here.merge("bc_1", {"a": 7, "b": 2})
    await there.merge("bc_1", {"b": 5, "c": 1})
    await there.merge("bc_2", {"c": 9})
    await saved(checkpoint, {"a": 7, "b": 5, "c": 1})
    await redis_client.flushall()
    assert await there.merge("bc_1", {}) == 13
    assert await here.merge("bc_1", {"a": 8}) == 14


async def test_a_redis_that_was_restarted_with_older_data_is_made_whole(
    make_store: Callable[[], RedisLikeStore], checkpoint: PostgresLikeCheckpoint, redis_client: redis.asyncio.Redis
) -> None:
    store = make_store()
    await store.merge("bc_1", {"a": 7, "b": 5})
    await saved(checkpoint, {"a": 7, "b": 5})
    # As after a crash with the last second not on disk: an older count and sum, and another run id.
    await redis_client.hset("wc:{room:bc_1}:likes", "a", 3)
    await redis_client.set("wc:{room:bc_1}:likes_total", 8)
    await redis_client.set(RUN, "another")
    assert await store.merge("bc_1", {"c": 1}) == 13


async def test_what_is_not_saved_yet_is_restored_by_the_process_that_holds_it(
    redis_client: redis.asyncio.Redis, checkpoint: PostgresLikeCheckpoint
) -> None:
    store = RedisLikeStore(redis_client, checkpoint)  # does not run: nothing is saved
    await store.merge("bc_1", {"a": 7})
    await redis_client.flushall()
    assert await store.merge("bc_1", {"b": 1}) == 8


async def test_what_one_process_had_not_saved_when_another_restored_comes_back_with_its_save(
    redis_client: redis.asyncio.Redis, checkpoint: PostgresLikeCheckpoint
) -> None:
    restoring, silent = RedisLikeStore(redis_client, checkpoint), RedisLikeStore(redis_client, checkpoint)
    await silent.merge("bc_1", {"a": 5})
    await redis_client.flushall()
    assert await restoring.merge("bc_1", {"b": 4}) == 4
    await silent._save()  # its clients are silent from now on
    assert await restoring.merge("bc_1", {}) == 9


async def test_what_redis_could_not_be_told_again_is_told_with_the_next_save(
    redis_client: redis.asyncio.Redis, checkpoint: PostgresLikeCheckpoint
) -> None:
    restoring, silent = RedisLikeStore(redis_client, checkpoint), RedisLikeStore(redis_client, checkpoint)
    await silent.merge("bc_1", {"a": 5})
    await redis_client.flushall()
    await restoring.merge("bc_1", {"b": 4})
    await redis_client.set("wc:{room:bc_1}:likes_total", "no number")  # the script fails, and changed nothing before
    await silent._save()
    assert await checkpoint.load("bc_1") == {"a": 5}
    await redis_client.set("wc:{room:bc_1}:likes_total", 4)
    await redis_client.hdel("wc:{room:bc_1}:likes", "a")
    await silent._save()
    assert await restoring.merge("bc_1", {}) == 9


async def test_the_last_counts_are_saved_at_the_end_and_survive_postgres_being_away(
    pool: asyncpg.Pool, redis_client: redis.asyncio.Redis, checkpoint: PostgresLikeCheckpoint
) -> None:
    store = RedisLikeStore(redis_client, checkpoint, save_every_s=0.01)
    await pool.execute("ALTER TABLE like_counts RENAME TO like_counts_away")
    with pytest.raises(Unavailable):
        await checkpoint.load("bc_1")
    running = asyncio.create_task(store.run())
    with pytest.raises(Unavailable):
        await store.merge("bc_1", {"a": 3})  # nobody can say what was before
    await asyncio.sleep(0.05)
    await pool.execute("ALTER TABLE like_counts_away RENAME TO like_counts")
    await saved(checkpoint, {"a": 3})
    running.cancel()
    await asyncio.wait([running])
    later = RedisLikeStore(redis_client, checkpoint)
    assert await later.merge("bc_1", {"a": 2}) == 3
    ending = asyncio.create_task(later.run())
    await later.merge("bc_1", {"b": 4})
    ending.cancel()
    await asyncio.wait([ending])
    assert await checkpoint.load("bc_1") == {"a": 3, "b": 4}


async def test_a_restore_that_breaks_off_beside_one_that_came_through_leaves_the_total_right(
    redis_client: redis.asyncio.Redis, checkpoint: PostgresLikeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, breaking = RedisLikeStore(redis_client, checkpoint), RedisLikeStore(redis_client, checkpoint)
    await breaking.merge("bc_1", {"b": 4})
    await redis_client.flushall()
    assert await sound.merge("bc_1", {"a": 5}) == 5  # made whole, of what this one knows
    run = breaking._run

    async def cut(room: str, mode: str, counts: Iterable[tuple[str, int]]) -> int:
        if mode == "restored":
            raise Unavailable("cut before the last step")
        return await run(room, mode, counts)

    with monkeypatch.context() as cutting:
        cutting.setattr(breaking, "_run", cut)
        with pytest.raises(Unavailable):
            await breaking._restore("bc_1")
    assert await sound.merge("bc_1", {}) == 9
    assert await breaking.merge("bc_1", {"b": 4}) == 9


async def test_what_a_client_was_counted_is_known_also_to_a_redis_that_lost_it(
    make_store: Callable[[], RedisLikeStore], checkpoint: PostgresLikeCheckpoint, redis_client: redis.asyncio.Redis
) -> None:
    await checkpoint.save({("bc_1", f"client-{i}"): i for i in range(3_000)})
    clients = [f"client-{i}" for i in range(3_001)]
    for _ in range(2):
        counted = await make_store().highest("bc_1", clients)
        assert counted == {**{f"client-{i}": i for i in range(3_000)}, "client-3000": 0}
        await redis_client.flushall()


async def test_many_clients_are_restored_in_portions(
    make_store: Callable[[], RedisLikeStore], checkpoint: PostgresLikeCheckpoint
) -> None:
    await checkpoint.save({("bc_1", f"client-{i}"): 2 for i in range(5_000)})
    assert await make_store().merge("bc_1", {}) == 10_000


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([0, 1]), st.dictionaries(st.sampled_from("abc"), st.integers(0, 50))),
            st.sampled_from(["lost", "saved", "saved elsewhere"]),
        ),
        max_size=12,
    )
)
@example([(1, {"a": 5}), "lost", (0, {"b": 4})])
def test_the_total_is_the_sum_of_each_clients_highest_whatever_redis_loses(
    redis_url: str, postgres_url: str, turns: list[tuple[int, dict[str, int]] | str]
) -> None:
    async def run() -> None:
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(redis_url)
        pool = await asyncpg.create_pool(postgres_url, min_size=1, max_size=2)
        await client.flushdb()
        await pool.execute("TRUNCATE like_counts")
        stores = [RedisLikeStore(client, PostgresLikeCheckpoint(pool)) for _ in range(2)]
        highest: dict[str, int] = {}
        whole = True
        for turn in turns:
            if turn == "lost":
                await client.flushdb()
                whole = False
            elif isinstance(turn, str):
                await stores[turn == "saved elsewhere"]._save()
            else:
                at, counts = turn
                for name, count in counts.items():
                    highest[name] = max(count, highest.get(name, 0))
                total = await stores[at].merge("bc_1", counts)
                assert total == sum(highest.values()) if whole else total <= sum(highest.values())
        for store in stores:
            await store._save()
        assert await stores[0].merge("bc_1", {}) == sum(highest.values())
        await client.aclose()
        await pool.close()

    asyncio.run(run())
