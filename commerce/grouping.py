"""Requests that arrive while one is under way go together next. Asks no network; its only wait is for its own work."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from commerce.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")
_AGAIN_S = 0.02  # when somebody else holds all that a group wants
_RETRY_AFTER_S = (1.0, 30.0)


class Again:
    """What work answers for an item that somebody else holds now: it goes with a later group."""


AGAIN = Again()
Work = Callable[[Sequence[T]], Awaitable[Sequence[R | Exception | Again]]]


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    until: float  # the loop's time after which it is not begun any more
    answer: "asyncio.Future[R]" = field(compare=False)
    held_elsewhere: bool = False


class Grouping(Generic[T, R]):
    """One group at a time, in arrival order: alone an item goes at once, under load all that came meanwhile go.

    `work` answers one result, one Exception, or AGAIN for each item; raising means the same for all. When it raises
    for a group with anything but Unavailable, each item goes alone, so that one bad item spoils nobody else's.
    The queue is bounded by `waiting_limit` (overflow: *refuse newest*, Unavailable `busy` with the time that the
    queue takes), and an item that waited longer than `wait_s` is refused rather than begun.
    The worker task is owned by this object and ends by itself when nothing waits.
    """

    def __init__(self, work: Work[T, R], *, most: int, waiting_limit: int, wait_s: float) -> None:
        self._work = work
        self._most = most
        self._waiting_limit = waiting_limit
        self._wait_s = wait_s
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._item_s = 0.001  # how long one item has taken of late

    async def do(self, item: T) -> R:
        """Have the item done with a group and return its own answer, or raise its own error."""
        if len(self._waiting) >= self._waiting_limit:
            raise self._busy()
        loop = asyncio.get_running_loop()
        waiting: _Waiting[T, R] = _Waiting(item, loop.time() + self._wait_s, loop.create_future())
        self._waiting.append(waiting)
        if self._worker is None:
            self._worker = loop.create_task(self._run())
        return await waiting.answer

    async def aclose(self) -> None:
        """Stop now; who still waits hears `busy`."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = self._next_group()
                if not group:
                    continue
                again = await self._do(group)
                self._waiting.extendleft(reversed(again))
                if len(again) == len(group):
                    await asyncio.sleep(_AGAIN_S)
        finally:
            self._worker = None
            while self._waiting:
                _answer(self._waiting.popleft(), self._busy())

    def _next_group(self) -> list[_Waiting[T, R]]:
        now = asyncio.get_running_loop().time()
        group: list[_Waiting[T, R]] = []
        while self._waiting and len(group) < self._most:
            waiting = self._waiting.popleft()
            if waiting.answer.done():
                continue  # its caller has gone before it was begun
            if waiting.until < now:
                waiting.answer.set_exception(_in_progress() if waiting.held_elsewhere else self._busy())
                continue
            group.append(waiting)
        return group

    async def _do(self, group: list[_Waiting[T, R]]) -> list[_Waiting[T, R]]:
        """Work on a group and hand out its answers; returns those that have to go again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answers = await self._work([waiting.item for waiting in group])
        except Exception as error:  # a group's boundary: whatever it is, it is each caller's answer
            if len(group) > 1 and not isinstance(error, Unavailable):
                return [late for waiting in group for late in await self._do([waiting])]
            answers = [error] * len(group)
        except asyncio.CancelledError:
            for waiting in group:
                _answer(waiting, self._busy())
            raise
        self._item_s = 0.8 * self._item_s + 0.2 * (loop.time() - began) / len(group)
        return [waiting for waiting, answer in zip(group, answers, strict=True) if not _answer(waiting, answer)]

    def _busy(self) -> Unavailable:
        shortest, longest = _RETRY_AFTER_S
        retry_after_s = min(longest, max(shortest, len(self._waiting) * self._item_s))
        detail = f"too many orders at once: try again in {retry_after_s:.0f} s"
        return Unavailable("busy", detail, retry_after_s=retry_after_s)


def _answer(waiting: _Waiting[T, R], answer: R | Exception | Again) -> bool:
    """Hand an answer out; False for none."""
    if isinstance(answer, Again):
        waiting.held_elsewhere = True
        return False
    if not waiting.answer.done():
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
    return True


def _in_progress() -> Unavailable:
    return Unavailable("in_progress", "another request of yours is under way", retry_after_s=1)
