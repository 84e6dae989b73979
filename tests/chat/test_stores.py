"""Likes and presence on a real Valkey, the archive on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chat.acts import Act
from chat.archive import CommentRecord
from chat.archive_postgres import PostgresArchive
from chat.errors import CommandRefused, Unavailable
from chat.likes_redis import RedisLikeStore
from chat.presence_redis import RedisPresence

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PINS, REMOVES = Act("ac_host", None, NOW), Act("ac_monitor", "reason", NOW)
_numbers = iter(range(10**6))


class NoCheckpoint:
    """A checkpoint with nothing in it."""

    async def save(self, counts: object) -> None:
        pass

    async def load(self, broadcast_id: str) -> dict[str, int]:
        return {}


def record(**changes: object) -> CommentRecord:
    number = next(_numbers)
    fields: dict[str, object] = {
        "comment_id": f"cm_{number}",
        "broadcast_id": "bc_1",
        "account_id": "ac_a",
        "client_message_id": f"m{number}",
        "nickname": "小明",
        "role": "viewer",
        "kind": "comment",
        "text": f"text {number} 𠮷",
        "verdict": "pass",
        "reasons": (),
        "audience": "all",
        "at": NOW,
        "stream_time_ms": None,
    }
    return CommentRecord(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
async def archive(pool: asyncpg.Pool) -> AsyncIterator[PostgresArchive]:
    archive = PostgresArchive(pool)
    running = asyncio.create_task(archive.run())
    yield archive
    running.cancel()
    await asyncio.wait([running])


async def test_a_stored_comment_is_read_back_as_it_was(archive: PostgresArchive) -> None:
    kept = record(verdict="hold", reasons=("superlative", "off-platform contact"), audience="staff", stream_time_ms=7)
    assert (await archive.store(kept)).record == kept
    again = await archive.store(record(client_message_id=kept.client_message_id, text="other"))
    assert (again.record, again.repeated) == (kept, True)


async def test_racing_repeats_are_stored_once_and_all_get_the_first(
    archive: PostgresArchive, pool: asyncpg.Pool
) -> None:
    others = PostgresArchive(pool)
    running = asyncio.create_task(others.run())
    repeats = [record(client_message_id="same") for _ in range(40)]
    stored = await asyncio.gather(*((archive, others)[i % 2].store(repeat) for i, repeat in enumerate(repeats)))
    assert len({result.record.comment_id for result in stored}) == 1
    assert sum(not result.repeated for result in stored) == 1
    assert await pool.fetchval("SELECT count(*) FROM comments") == 1
    running.cancel()
    await asyncio.wait([running])


async def test_a_crowd_is_stored_in_groups_and_in_order(archive: PostgresArchive) -> None:
    crowd = [record(account_id=f"ac_{i}") for i in range(600)]
    stored = await asyncio.gather(*map(archive.store, crowd))
    assert [result.record for result in stored] == crowd
    recent = await archive.recent("bc_1", 50, staff=False)
    assert [comment.comment_id for comment in recent] == [kept.comment_id for kept in crowd[-50:]]


async def test_viewers_and_staff_are_shown_what_is_theirs(archive: PostgresArchive) -> None:
    passed = record()
    held = record(verdict="hold", audience="staff")
    blocked = record(verdict="block", audience="staff")
    rehearsed = record(audience="staff")
    for kept in (passed, held, blocked, rehearsed):
        await archive.store(kept)
    await archive.store(record(broadcast_id="bc_2"))
    viewers = await archive.recent("bc_1", 50, staff=False)
    staff = await archive.recent("bc_1", 50, staff=True)
    assert [comment.comment_id for comment in viewers] == [passed.comment_id]
    assert [comment.comment_id for comment in staff] == [passed.comment_id, held.comment_id, rehearsed.comment_id]


async def test_only_a_comment_that_everyone_may_see_can_be_pinned(archive: PostgresArchive) -> None:
    shown, held = record(), record(verdict="hold", audience="staff")
    await archive.store(shown)
    await archive.store(held)
    for comment_id, broadcast_id in ((held.comment_id, "bc_1"), (shown.comment_id, "bc_2"), ("cm_none", "bc_1")):
        with pytest.raises(CommandRefused, match="no such comment"):
            await archive.pin(broadcast_id, comment_id, PINS)
    pinned = await archive.pin("bc_1", shown.comment_id, PINS)
    assert pinned == await archive.pinned("bc_1")
    assert await archive.pin("bc_1", None, PINS) is None
    assert await archive.pinned("bc_1") is None


async def test_a_removed_comment_is_unpinned_and_gone_but_kept(archive: PostgresArchive, pool: asyncpg.Pool) -> None:
    kept = record()
    await archive.store(kept)
    await archive.pin("bc_1", kept.comment_id, PINS)
    first = await archive.remove("bc_1", kept.comment_id, REMOVES)
    again = await archive.remove("bc_1", kept.comment_id, REMOVES)  # who withdrew it may not have told the room
    assert first.pin_told_anew
    assert again.pin_told_anew
    assert await archive.owed(9) == [again]
    await archive.note_told(first)
    assert await archive.owed(9) == [again]
    await archive.note_told(again)
    assert await archive.owed(9) == []
    assert await archive.pinned("bc_1") is None
    assert await archive.recent("bc_1", 50, staff=True) == []
    assert await pool.fetchval("SELECT text FROM comments WHERE comment_id = $1", kept.comment_id) == kept.text
    with pytest.raises(CommandRefused):
        await archive.remove("bc_2", kept.comment_id, REMOVES)


async def test_of_a_comment_that_was_not_pinned_the_pin_is_not_told_anew(archive: PostgresArchive) -> None:
    kept = record()
    await archive.store(kept)
    assert not (await archive.remove("bc_1", kept.comment_id, REMOVES)).pin_told_anew


async def test_a_cancelled_writer_refuses_what_waits(pool: asyncpg.Pool) -> None:
    archive = PostgresArchive(pool, timeout_s=0.2)
    with pytest.raises(Unavailable):
        await archive.store(record())  # nobody runs it
    running = asyncio.create_task(archive.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["a/1", "a/2", "b/1"]), st.integers(0, 1_000)), max_size=8))
def test_likes_are_the_sum_of_each_clients_highest(redis_url: str, merges: list[dict[str, int]]) -> None:
    async def run() -> None:
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(redis_url)
        await client.flushdb()
        store = RedisLikeStore(client, NoCheckpoint())
        highest: dict[str, int] = {}
        for counts in [*merges, *merges]:
            total = await store.merge("bc_1", counts)
            for name, count in counts.items():
                highest[name] = max(count, highest.get(name, 0))
            assert total == sum(highest.values())
        await client.aclose()

    asyncio.run(run())


async def test_concurrent_merges_lose_nothing(redis_client: redis.asyncio.Redis) -> None:
    store = RedisLikeStore(redis_client, NoCheckpoint())
    await asyncio.gather(*(store.merge("bc_1", {f"c{i % 7}": i}) for i in range(60)))
    assert await store.merge("bc_1", {}) == sum(range(53, 60))


async def test_presence_adds_up_gateways_and_forgets_one_that_died(redis_client: redis.asyncio.Redis) -> None:
    presence = RedisPresence(redis_client, lifetime_s=0.2)
    assert await presence.report("bc_1", "gw_killed", 5, ()) == 5
    assert await presence.report("bc_1", "gw_other", 2, ()) == 7
    assert await presence.report("bc_2", "gw_other", 1, ()) == 1
    await asyncio.sleep(0.3)
    assert await presence.report("bc_1", "gw_other", 2, ()) == 2
    assert await presence.report("bc_1", "gw_other", 0, ()) == 0


async def test_a_monitor_is_last_seen_when_reported(redis_client: redis.asyncio.Redis) -> None:
    presence = RedisPresence(redis_client)
    assert await presence.monitor_last_seen("bc_1", "ac_monitor") is None
    await presence.report("bc_1", "gw", 1, ["ac_monitor"])
    first = await presence.monitor_last_seen("bc_1", "ac_monitor")
    await asyncio.sleep(0.01)
    await presence.report("bc_1", "gw", 1, ["ac_monitor"])
    second = await presence.monitor_last_seen("bc_1", "ac_monitor")
    assert first is not None
    assert second is not None
    assert first < second


async def test_stores_without_redis_say_so() -> None:
    at_once = Retry(NoBackoff(), 0)  # by itself the client tries for three seconds
    client: redis.asyncio.Redis = redis.asyncio.Redis(host="127.0.0.1", port=1, retry=at_once)
    with pytest.raises(Unavailable):
        await RedisLikeStore(client, NoCheckpoint()).merge("bc_1", {})
    with pytest.raises(Unavailable):
        await RedisPresence(client).report("bc_1", "gw", 1, ())
    with pytest.raises(Unavailable):
        await RedisPresence(client).monitor_last_seen("bc_1", "ac")
    await client.aclose()
