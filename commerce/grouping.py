"""Requests that arrive while one is under way go together next. Asks no network; its only wait is for its own work."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from commerce.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")
_AGAIN_S = 0.02  # when somebody else holds all that a group wants
_RETRY_AFTER_S = (1.0, 30.0)


class Again:
    """What work answers for an item that somebody else holds now: it goes with a later group."""


AGAIN = Again()


@dataclass(frozen=True, slots=True)
class Onward(Generic[R]):
    """What work answers for an item that is another grouping's from now on: that one answers its caller."""

    grouping: "Grouping[Any, R]"
    item: Any


# Work gets its items, and what to call once all that must be in order is done: the next group begins then.
Work = Callable[[Sequence[T], Callable[[], None]], Awaitable[Sequence[R | Exception | Again | Onward[R]]]]


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    until: float  # the loop's time after which it is not begun any more
    answer: "asyncio.Future[R]" = field(compare=False)
    held_elsewhere: bool = False


class Grouping(Generic[T, R]):
    """One group after another, in arrival order: alone an item goes at once, under load all that came meanwhile go.

    `work` answers one result, one Exception, AGAIN or Onward for each item; raising means the same for all. When it
    raises for a group with anything but Unavailable, each item goes alone, so that one bad item spoils nobody else's.
    Once work has called what it was given, the next group begins beside its end; two are under way at most.
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

    @property
    def waiting(self) -> int:
        """Items that wait for a group."""
        return len(self._waiting)

    async def do(self, item: T) -> R:
        """Have the item done with a group and return its own answer, or raise its own error."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.take_over(item, answer)
        try:
            return await answer
        finally:
            # An error's traceback holds this frame, which would hold the answer, which holds the error.
            del answer

    def take_over(self, item: T, answer: "asyncio.Future[R]") -> None:
        """Have the item done with a group, and its own answer or error set on the future."""
        if len(self._waiting) >= self._waiting_limit:
            answer.set_exception(self._busy())
            return
        loop = asyncio.get_running_loop()
        self._waiting.append(_Waiting(item, loop.time() + self._wait_s, answer))
        if self._worker is None:
            self._worker = loop.create_task(self._run())

    async def aclose(self) -> None:
        """Stop now; who still waits hears `busy`."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    async def _run(self) -> None:
        try:
            while self._waiting:  # asked again when the last group has ended: nothing may come unseen meanwhile
                async with asyncio.TaskGroup() as groups:
                    await self._run_while_some_wait(groups)
        finally:
            self._worker = None
            while self._waiting:
                _answer(self._waiting.popleft(), self._busy())

    async def _run_while_some_wait(self, groups: asyncio.TaskGroup) -> None:
        ending: asyncio.Task[None] | None = None  # the group before, which may not be done with its end
        while self._waiting or ending is not None:
            group = self._next_group()
            before, ending = ending, None
            if group:
                passed = asyncio.Event()
                ending = groups.create_task(self._go(group, passed, before))
                await passed.wait()
            if before is not None:
                await before

    async def _go(self, group: list[_Waiting[T, R]], passed: asyncio.Event, before: asyncio.Task[None] | None) -> None:
        try:
            again = await self._do(group, passed.set)
            self._waiting.extendleft(reversed(again))
            if len(again) == len(group):
                # What the group before holds is free when that ends; what others hold, some time.
                await (asyncio.sleep(_AGAIN_S) if before is None else asyncio.wait([before], timeout=_AGAIN_S))
        finally:
            passed.set()

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

    async def _do(self, group: list[_Waiting[T, R]], passed: Callable[[], None]) -> list[_Waiting[T, R]]:
        """Work on a group and hand out its answers; returns those that have to go again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answers = await self._work([waiting.item for waiting in group], passed)
        except Exception as error:  # a group's boundary: whatever it is, it is each caller's answer
            if len(group) > 1 and not isinstance(error, Unavailable):
                return [late for waiting in group for late in await self._do([waiting], passed)]
            answers = [error] * len(group)
        except asyncio.CancelledError:
            for waiting in group:
                _answer(waiting, self._busy())
            raise
        self._item_s = 0.8 * self._item_s + 0.2 * (loop.time() - began) / len(group)
        try:
            return [waiting for waiting, answer in zip(group, answers, strict=True) if not _answer(waiting, answer)]
        finally:
            del group, answers  # a group's error holds this frame

    def _busy(self) -> Unavailable:
        shortest, longest = _RETRY_AFTER_S
        retry_after_s = min(longest, max(shortest, len(self._waiting) * self._item_s))
        detail = f"too many orders at once: try again in {retry_after_s:.0f} s"
        return Unavailable("busy", detail, retry_after_s=retry_after_s)


def _answer(waiting: _Waiting[T, R], answer: R | Exception | Again | Onward[R]) -> bool:
    """Hand an answer out; False for none."""
    if isinstance(answer, Again):
        waiting.held_elsewhere = True
        return False
    if isinstance(answer, Onward):
        answer.grouping.take_over(answer.item, waiting.answer)
    elif not waiting.answer.done():
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
    return True


def _in_progress() -> Unavailable:
    return Unavailable("in_progress", "another request of yours is under way", retry_after_s=1)
