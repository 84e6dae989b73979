"""Viewers are told of a publisher whose media process died, and of the one that comes after it."""

from collections.abc import Mapping

import pytest
import redis.asyncio

from server.publisher_watch import PublisherWatch
from streaming.directory_redis import LEASE_S, REFRESH_S, PublisherDirectory, PublisherStatus
from tests.chat.fakes import FakeClock

SHOW = "bc_show"


class Rooms:
    """One room that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[PublisherStatus] = ["flowing"]

    def publishers(self) -> Mapping[str, PublisherStatus]:
        return {SHOW: self.told[-1]}

    def tell_publisher(self, broadcast_id: str, publisher: PublisherStatus, stream_time_ms: int | None) -> None:
        assert (broadcast_id, stream_time_ms) == (SHOW, 5_000)
        self.told.append(publisher)


@pytest.fixture
def directory(redis_client: redis.asyncio.Redis) -> PublisherDirectory:
    return PublisherDirectory(redis_client, "md-one")


def test_a_lease_outlives_two_missed_beats_and_little_more() -> None:
    assert 2 * REFRESH_S < LEASE_S <= 4 * REFRESH_S


async def test_a_lapsed_lease_is_told_when_it_was_seen_twice(
    directory: PublisherDirectory, redis_client: redis.asyncio.Redis
) -> None:
    rooms = Rooms()
    watch = PublisherWatch(directory, rooms, FakeClock())
    await directory.refresh({SHOW: "flowing"})
    assert 0 < await redis_client.pttl(f"wc:{{room:{SHOW}}}:publisher") <= LEASE_S * 1_000
    await watch.look()
    await redis_client.flushall()  # the lease is over: nobody has refreshed it
    await watch.look()
    assert rooms.told == ["flowing"]
    await watch.look()
    await watch.look()
    assert rooms.told == ["flowing", "none"]


async def test_a_publisher_that_returns_is_told_as_well(directory: PublisherDirectory) -> None:
    rooms = Rooms()
    rooms.told = ["none"]
    watch = PublisherWatch(directory, rooms, FakeClock())
    await directory.put(SHOW, "flowing")
    for _ in range(3):
        await watch.look()
    assert rooms.told == ["none", "flowing"]


async def test_an_older_media_process_cannot_undo_what_its_successor_said(redis_client: redis.asyncio.Redis) -> None:
    older, newer = PublisherDirectory(redis_client, "md-older"), PublisherDirectory(redis_client, "md-newer")
    await older.start(SHOW)
    await newer.start(SHOW)
    await older.refresh({SHOW: "stalled"})
    assert await newer.status(SHOW) == "flowing"
    assert not await older.put(SHOW, "none")
    assert await newer.status(SHOW) == "flowing"
    assert await newer.put(SHOW, "stalled")
    assert await older.status(SHOW) == "stalled"
    await newer.put(SHOW, "none")
    assert await newer.status(SHOW) == "none"
    await older.refresh({SHOW: "flowing"})  # its publisher is still there, and nobody else's
    assert await newer.status(SHOW) == "flowing"


async def test_one_look_between_entry_and_event_tells_nothing(directory: PublisherDirectory) -> None:
    rooms = Rooms()
    watch = PublisherWatch(directory, rooms, FakeClock())
    await directory.put(SHOW, "stalled")
    await watch.look()
    rooms.told.append("stalled")  # the media process's own event came
    await watch.look()
    await watch.look()
    assert rooms.told == ["flowing", "stalled"]
