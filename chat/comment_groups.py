"""Gathers comments so that one insert a few milliseconds apart keeps them all. Waits, but does no I/O of its own."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from chat.archive import CommentRecord, StoredComment
from chat.errors import Unavailable

log = logging.getLogger(__name__)

Insert = Callable[[Sequence[CommentRecord]], Awaitable[list[StoredComment]]]


class CommentGroups:
    """A bounded queue in front of `insert`; overflow policy: *refuse*, the client is told to try again.

    The first comment after a pause goes at once; while an insert runs the next group gathers.
    """

    def __init__(self, insert: Insert, *, gather_s: float = 0.003, group: int = 256, waiting: int = 4_096) -> None:
        self._insert = insert
        self._gather_s = gather_s
        self._group = group
        self._waiting = waiting
        self._queue: list[tuple[CommentRecord, asyncio.Future[StoredComment]]] = []
        self._filled = asyncio.Event()

    async def store(self, record: CommentRecord) -> StoredComment:
        """Queue a comment and wait until its group is committed. Raises Unavailable."""
        if len(self._queue) >= self._waiting:
            raise Unavailable("too many comments at once")
        stored: asyncio.Future[StoredComment] = asyncio.get_running_loop().create_future()
        self._queue.append((record, stored))
        self._filled.set()
        try:
            return await stored
        finally:
            # An error's traceback holds this frame, which would hold the future, which holds the error.
            del stored

    async def run(self) -> None:
        """Insert groups until cancelled; what is waiting then is refused."""
        try:
            while True:
                await self._filled.wait()
                group, self._queue = self._queue[: self._group], self._queue[self._group :]
                if not self._queue:
                    self._filled.clear()
                await self._store_group(group)
                del group  # not until the next one comes
                await asyncio.sleep(self._gather_s)
        finally:
            self._refuse(self._queue)

    async def _store_group(self, group: list[tuple[CommentRecord, asyncio.Future[StoredComment]]]) -> None:
        try:
            results = await self._insert([record for record, _ in group])
        except Unavailable:
            log.warning("a group of %d comments was not stored", len(group), exc_info=True)
            self._refuse(group)
        except BaseException:
            self._refuse(group)
            raise
        else:
            for (_, stored), result in zip(group, results, strict=True):
                # A client that left cancelled its wait; its comment is kept all the same.
                with contextlib.suppress(asyncio.InvalidStateError):
                    stored.set_result(result)

    def _refuse(self, group: list[tuple[CommentRecord, asyncio.Future[StoredComment]]]) -> None:
        for _, stored in group:
            if not stored.done():
                stored.set_exception(Unavailable("comments cannot be stored now"))
