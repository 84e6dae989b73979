"""Groups form only under load, in arrival order, within bounds; one bad item spoils nobody else's."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from commerce.errors import CommerceError, Unavailable
from commerce.grouping import AGAIN, Again, Grouping, Onward

Answers = Sequence[int | Exception | Again]


class Desk:
    """Work that waits for a sign, and remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.again: set[int] = set()
        self.broken: set[int] = set()
        self.failure: Exception | None = None

    async def work(self, items: Sequence[int], passed: Callable[[], None]) -> Answers:
        self.groups.append(list(items))
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        if self.broken & set(items):
            raise ValueError("a bad item")
        return [AGAIN if item in self.again else Unavailable("x", "") if item < 0 else item * 10 for item in items]


def grouping(desk: Desk, *, most: int = 100, waiting_limit: int = 100, wait_s: float = 60.0) -> Grouping[int, int]:
    return Grouping(desk.work, most=most, waiting_limit=waiting_limit, wait_s=wait_s)


async def many(group: Grouping[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(group.do(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_alone_an_item_goes_at_once_and_what_comes_meanwhile_goes_together_in_order() -> None:
    desk = Desk()
    group = grouping(desk, most=3)
    tasks = await many(group, [1])
    await asyncio.sleep(0)
    tasks += await many(group, [2, 3, 4, 5])
    desk.open.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40, 50]
    assert desk.groups == [[1], [2, 3, 4], [5]]


async def test_each_hears_its_own_answer_or_error() -> None:
    desk = Desk()
    desk.open.set()
    results = await asyncio.gather(*await many(grouping(desk), [1, -2, 3]), return_exceptions=True)
    assert results[0] == 10
    assert isinstance(results[1], Unavailable)
    assert results[2] == 30


async def test_a_full_queue_says_busy_and_when_to_come_back() -> None:
    desk = Desk()
    group = grouping(desk, most=1, waiting_limit=2)
    tasks = await many(group, [1])
    await asyncio.sleep(0)
    tasks += await many(group, [2, 3])
    with pytest.raises(Unavailable, match="busy") as caught:
        await group.do(4)
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 1
    desk.open.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30]


async def test_who_waited_too_long_is_refused_and_never_begun() -> None:
    desk = Desk()
    group = grouping(desk, most=1, wait_s=-1.0)
    with pytest.raises(Unavailable, match="busy"):
        await group.do(1)
    assert desk.groups == []


async def test_a_bad_item_is_found_by_going_alone() -> None:
    desk = Desk()
    desk.open.set()
    desk.broken = {2}
    results = await asyncio.gather(*await many(grouping(desk), [1, 2, 3]), return_exceptions=True)
    assert results[0] == 10
    assert isinstance(results[1], ValueError)
    assert results[2] == 30


async def test_a_database_that_does_not_answer_is_everybodys_busy_and_tried_once() -> None:
    desk = Desk()
    desk.open.set()
    desk.failure = Unavailable("busy", "the database does not answer")
    results = await asyncio.gather(*await many(grouping(desk), [1, 2]), return_exceptions=True)
    assert all(isinstance(result, CommerceError) for result in results)
    assert len(desk.groups) == 1


async def test_what_is_held_elsewhere_goes_with_a_later_group() -> None:
    desk = Desk()
    desk.open.set()
    desk.again = {2}
    tasks = await many(grouping(desk), [1, 2])
    assert await tasks[0] == 10
    assert not tasks[1].done()
    desk.again = set()
    assert await tasks[1] == 20


async def test_what_is_held_elsewhere_for_too_long_hears_in_progress() -> None:
    desk = Desk()
    desk.open.set()
    desk.again = {1}
    with pytest.raises(Unavailable, match="in_progress"):
        await grouping(desk, wait_s=0.1).do(1)


async def test_a_caller_who_leaves_is_not_begun_and_spoils_nobody() -> None:
    desk = Desk()
    group = grouping(desk, most=1)
    tasks = await many(group, [1, 2, 3])
    tasks[1].cancel()
    await asyncio.sleep(0)
    desk.open.set()
    assert await tasks[0] == 10
    assert await tasks[2] == 30
    assert desk.groups == [[1], [3]]


async def test_closing_answers_everybody() -> None:
    desk = Desk()
    group = grouping(desk, most=1)
    tasks = await many(group, [1, 2])
    await asyncio.sleep(0)
    await group.aclose()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)


class Line:
    """Work whose groups pass at a sign and end at another."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.ends: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    async def work(self, items: Sequence[int], passed: Callable[[], None]) -> Answers:
        self.begun.append(list(items))
        passed()
        await self.ends[items[0]].wait()
        return [item * 10 for item in items]


async def test_once_a_group_has_passed_the_next_begins_beside_its_end_and_no_third() -> None:
    line = Line()
    group: Grouping[int, int] = Grouping(line.work, most=1, waiting_limit=100, wait_s=60.0)
    tasks = await many(group, [1, 2, 3])
    await asyncio.sleep(0.01)
    assert line.begun == [[1], [2]]
    line.ends[1].set()
    assert await tasks[0] == 10
    await asyncio.sleep(0.01)
    assert line.begun == [[1], [2], [3]]
    line.ends[2].set()
    line.ends[3].set()
    assert await asyncio.gather(*tasks) == [10, 20, 30]


@pytest.mark.parametrize("steps", range(12))
async def test_who_comes_as_the_last_group_ends_is_not_forgotten(steps: int) -> None:
    line = Line()
    line.ends[1].set()
    line.ends[2].set()
    group: Grouping[int, int] = Grouping(line.work, most=1, waiting_limit=100, wait_s=60.0)
    tasks = await many(group, [1])
    for _ in range(steps):
        await asyncio.sleep(0)
    tasks += await many(group, [2])
    assert await asyncio.gather(*tasks) == [10, 20]


async def test_an_item_passed_on_is_answered_by_the_other_grouping() -> None:
    desk = Desk()
    desk.open.set()
    second = grouping(desk)

    async def work(items: Sequence[int], passed: Callable[[], None]) -> list[Onward[int] | Exception]:
        return [Onward(second, item) if item else Unavailable("none", "") for item in items]

    first: Grouping[int, int] = Grouping(work, most=100, waiting_limit=100, wait_s=60.0)
    results = await asyncio.gather(*await many(first, [1, 0, 3]), return_exceptions=True)
    assert [results[0], results[2]] == [10, 30]
    assert isinstance(results[1], Unavailable)
    assert desk.groups == [[1, 3]]
