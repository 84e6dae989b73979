"""The life of a process: what runs in the background ends with it."""

import asyncio

import pytest

from server import program


async def deaf_once() -> None:
    """Runs for ever, and loses the first cancellation as a library's time-out can."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def test_a_task_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_CANCEL_AGAIN_S", 0.01)
    async with asyncio.timeout(10), program._in_background([deaf_once()]):
        await asyncio.sleep(0)
