"""The attendance of a process and its store: who hands over, and what is kept when that is interrupted."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from chat.attendance import Totals
from chat.attendance_book import AttendanceBook
from chat.figures import Figures
from chat.stays import Stay

SHOW = "bc_show"


class SlowFigures:
    """Keeps what it is handed, once it is let."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.begun = asyncio.Event()
        self.views = 0
        self.visitors: set[str] = set()

    async def keep(
        self, broadcast_id: str, writer_id: str, totals: Totals, visitors: set[str], stays: Collection[Stay],
        peak_online: int, at: datetime,
    ) -> None:  # fmt: skip
        self.begun.set()
        await self.may.wait()
        self.views = max(self.views, totals.views)
        self.visitors |= visitors

    async def read(self, broadcast_id: str) -> Figures:
        raise AssertionError("nobody reads here")


def visited_and_left(store: SlowFigures) -> AttendanceBook:
    book = AttendanceBook(store, "gw_1", now_s=lambda: 5.0, now=lambda: datetime(2026, 9, 1, tzinfo=UTC))
    book.enter("connection", SHOW, "ac_mei", fresh=True)
    book.leave("connection")
    return book


async def test_a_hand_over_that_finds_another_at_it_waits_and_both_end() -> None:
    store = SlowFigures()
    book = visited_and_left(store)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(book.flush())
        group.create_task(book.flush())
        await store.begun.wait()
        store.may.set()
    assert (store.views, store.visitors) == (1, {"ac_mei"})


async def test_what_a_cancelled_hand_over_had_taken_goes_with_the_next() -> None:
    store = SlowFigures()
    book = visited_and_left(store)
    interrupted = asyncio.create_task(book.flush())
    async with asyncio.timeout(10):
        await store.begun.wait()
        interrupted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await interrupted
        store.may.set()
        await book.flush()
    assert store.visitors == {"ac_mei"}
