"""The life of a process: what runs in the background ends with it."""

import asyncio

import pytest

from chat.rooms import Rooms
from server import owned_tasks, program
from server.owned_tasks import in_background, together
from server.settings import load_settings
from tests.commerce.bank import DATA_KEYS
from tests.server.people import TOKENS


async def deaf_once() -> None:
    """Runs for ever, and loses the first cancellation as a library's time-out can."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def test_a_task_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_tasks, "_CANCEL_AGAIN_S", 0.01)
    async with asyncio.timeout(10), in_background([deaf_once()]):
        await asyncio.sleep(0)


async def test_a_task_of_a_task_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_tasks, "_CANCEL_AGAIN_S", 0.01)
    async with asyncio.timeout(10), in_background([together(deaf_once(), deaf_once())]):
        await asyncio.sleep(0.05)


async def test_a_gateway_that_cannot_tick_any_more_ends_the_program(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Rooms) -> None:
        await asyncio.sleep(0.2)
        raise RuntimeError("a defect in the rounds")

    monkeypatch.setattr(Rooms, "run", broken)
    settings = load_settings(
        database_url=postgres_url, redis_url=redis_url, jwt_secret=TOKENS.secret, data_keys=DATA_KEYS,
        roles=["gateway"], gateway_port=0, admin_port=0, drain_s=0.1,
    )  # fmt: skip
    with pytest.raises(ExceptionGroup) as ended:
        async with asyncio.timeout(60), program.running(settings):
            await asyncio.Event().wait()
    assert ended.group_contains(RuntimeError, match="a defect in the rounds")
