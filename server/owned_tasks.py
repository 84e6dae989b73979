"""Tasks that belong to whoever started them and end with it, whatever a library does to a cancellation."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger("owned_tasks")
_CANCEL_AGAIN_S = 1.0
_CANCELLATIONS = 10


@asynccontextmanager
async def in_background(work: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run each as an owned task until the block ends; one that fails ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(item) for item in work]
        try:
            yield
        finally:
            await _end(tasks)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Run these until cancelled; one that fails ends the others.

    A bare TaskGroup cancels its tasks once only: one that swallowed that would keep it, and its owner, for ever.
    """
    async with in_background(list(work)):
        await asyncio.Event().wait()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel until each has ended: on Python 3.11 a library's own time-out can swallow a cancellation that meets it."""
    left = {task for task in tasks if not task.done()}
    cancelled: asyncio.CancelledError | None = None
    for _ in range(_CANCELLATIONS):
        if not left:
            break
        for task in left:
            task.cancel()
        try:
            _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
        except asyncio.CancelledError as error:  # our owner insists as we do: it is told once our own have ended
            cancelled = error
            left = {task for task in left if not task.done()}
    if left:
        log.error("tasks_do_not_end", tasks=[str(task.get_coro()) for task in left])
    if cancelled is not None:
        raise cancelled
