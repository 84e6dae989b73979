"""Reads that come together go together, and each begins after it was asked for."""

import asyncio

import pytest

from server.gathered_reads import GatheredReads


class Store:
    """Answers when it is let go on; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.go_on = asyncio.Event()
        self.broken = False

    async def read_many(self, keys: list[str]) -> dict[str, str]:
        self.asked.append(keys)
        turn = len(self.asked)
        await self.go_on.wait()
        if self.broken:
            raise OSError("away")
        return {key: f"{key}@{turn}" for key in keys}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_during_a_read_is_answered_by_the_next_one() -> None:
    store = Store()
    reads = GatheredReads(store.read_many)
    first = asyncio.create_task(reads.read("a"))
    await settle()
    later = [asyncio.create_task(reads.read(key)) for key in ("a", "b", "a", "c")]
    await settle()
    assert store.asked == [["a"]]
    store.go_on.set()
    assert await first == "a@1"
    assert await asyncio.gather(*later) == ["a@2", "b@2", "a@2", "c@2"]
    assert store.asked == [["a"], ["a", "b", "c"]]


async def test_one_that_leaves_hands_the_read_on() -> None:
    store = Store()
    reads = GatheredReads(store.read_many)
    leader, follower = (asyncio.create_task(reads.read(key)) for key in ("a", "b"))
    await settle()
    leader.cancel()
    await settle()
    store.go_on.set()
    assert (await follower).startswith("b@")
    with pytest.raises(asyncio.CancelledError):
        await leader


async def test_a_failure_is_everyones_and_is_over_with_it() -> None:
    store = Store()
    reads = GatheredReads(store.read_many)
    store.broken = True
    store.go_on.set()
    for answer in await asyncio.gather(reads.read("a"), reads.read("b"), return_exceptions=True):
        assert isinstance(answer, OSError)
    store.broken = False
    assert await reads.read("a") == f"a@{len(store.asked)}"


async def test_a_read_never_grows_past_its_bound() -> None:
    store = Store()
    reads = GatheredReads(store.read_many)
    asking = asyncio.gather(*(reads.read(f"k{i}") for i in range(1_200)))
    await settle()
    store.go_on.set()
    assert len(await asking) == 1_200
    assert max(map(len, store.asked)) <= 512
    assert len(store.asked) <= 5
