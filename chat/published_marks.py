"""Gathers which comments the room has heard, so that one update a moment marks them all. Does no I/O of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from chat.archive import CommentRecord
from chat.errors import Unavailable

log = logging.getLogger(__name__)

Mark = Callable[[Sequence[CommentRecord]], Awaitable[None]]


class PublishedMarks:
    """A bounded queue in front of `mark`; overflow policy: *forget the oldest*.

    A mark is not waited for, so one may be lost with its process: such a comment, sent again by its author, is
    published again once the broker has forgotten its name too (`ONCE_MS`). The other way round never happens:
    what is marked was published.
    """

    def __init__(self, mark: Mark, *, gather_s: float = 0.25, again_s: float = 1.0, waiting: int = 10_000) -> None:
        self._mark = mark
        self._gather_s = gather_s
        self._again_s = again_s
        self._waiting = waiting
        self._records: list[CommentRecord] = []
        self._filled = asyncio.Event()

    def note(self, record: CommentRecord) -> None:
        """Take a comment that was published; never blocks, never raises."""
        self._records.append(record)
        del self._records[: -self._waiting]
        self._filled.set()

    async def run(self) -> None:
        """Mark what comes until cancelled; what cannot be marked now waits."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(self._gather_s)
            self._filled.clear()
            records, self._records = self._records, []
            try:
                await self._mark(records)
            except Unavailable:
                log.warning("%d published comments are not marked yet", len(records))
                self._records = [*records, *self._records][-self._waiting :]
                self._filled.set()
                await asyncio.sleep(self._again_s)
