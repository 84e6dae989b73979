"""A crash anywhere leaves nothing or the whole: the connection is killed before each statement in turn."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from commerce import uow_postgres
from commerce.audit_postgres import audit
from commerce.errors import Unavailable
from commerce.receipt import OrderView
from commerce.settings import CommerceSettings
from tests.commerce.bank import Bank

_STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval", "executemany")


class DyingConnection:
    """A real connection whose backend is terminated before its n-th statement; n is counted over all units."""

    def __init__(self, connection: Any, pool: asyncpg.Pool, fuse: list[int]) -> None:
        self._connection = connection
        self._pool = pool
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._connection, name)
        if name not in _STATEMENTS:
            return attribute

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self._fuse[0] -= 1
            if self._fuse[0] == 0:
                await self._end(self._connection.get_server_pid())
            return await attribute(*args, **kwargs)

        return counted

    async def _end(self, pid: int) -> None:
        """Terminate a backend and look until it is gone: what Postgres itself can wait with looks each 100 ms only."""
        async with self._pool.acquire() as killer:
            await killer.execute("SELECT pg_terminate_backend($1)", pid)
            while await killer.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):
                pass


@asynccontextmanager
async def dying(bank: Bank, monkeypatch: pytest.MonkeyPatch, at_statement: int) -> AsyncIterator[list[int]]:
    """Within the block the n-th statement of commerce meets a killed connection."""
    fuse = [at_statement]
    real = uow_postgres.Unit
    with monkeypatch.context() as patch:
        patch.setattr(
            uow_postgres,
            "Unit",
            lambda connection, *rest: real(DyingConnection(connection, bank.pool, fuse), *rest),
        )
        yield fuse


Act = Callable[[], Awaitable[Any]]


async def crash_everywhere(bank: Bank, monkeypatch: pytest.MonkeyPatch, books: asyncpg.Pool, act: Act) -> Any:
    """Do `act` with a crash before its 1st, 2nd, … statement until it gets through; the books are right each time."""
    for at_statement in range(1, 80):
        async with dying(bank, monkeypatch, at_statement) as fuse:
            try:
                done = await act()
            except Unavailable:
                pass  # told to try again, which is what the next round does
            else:
                if fuse[0] > 0:
                    assert at_statement > 5, "several crashes were tried"
                    return done
                # The crash hit what the program does again by itself.
        assert await audit(books) == []
    raise AssertionError("it never got through")


async def test_a_purchase_that_crashes_anywhere_and_is_retried_is_one_purchase(
    bank: Bank, books: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    sale = bank.service.sale

    order = await crash_everywhere(
        bank, monkeypatch, books, lambda: sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    )
    assert await bank.pool.fetchval("SELECT count(*) FROM orders") == 1
    assert await bank.taken_minor() == 100_000

    async def submitted() -> OrderView:
        """What an app does: while the outcome is unknown it asks again."""
        view = await sale.submit("ac_ann", order.order_id, "k2")
        if view.state == "outcome_unknown":
            raise Unavailable("in_progress", "the customer reads: processing")
        return view

    accepted = await crash_everywhere(bank, monkeypatch, books, submitted)
    assert accepted.state == "accepted"
    assert await bank.available_minor() == 100_000_000 - 100_000

    async def cancelled() -> None:
        await sale.cancel("ac_ann", order.order_id, "k3")
        await sale.settle_due(bank.clock())

    await crash_everywhere(bank, monkeypatch, books, cancelled)
    assert await bank.available_minor() == 100_000_000
    assert await bank.taken_minor() == 0
    assert await audit(bank.pool) == []


async def test_a_sweep_that_crashes_anywhere_gives_the_quota_back_once(
    bank: Bank, books: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bank.open_shop()
    await bank.reserved()
    bank.clock.advance(seconds=240)
    await crash_everywhere(bank, monkeypatch, books, lambda: bank.service.sale.expire_due(bank.clock()))
    assert await bank.taken_minor() == 0
    assert await audit(bank.pool) == []


async def test_a_tip_that_crashes_anywhere_is_spent_once(
    bank: Bank, books: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bank.add_customer()
    later = bank.clock.now.replace(year=2027)
    await bank.service.applause.grant("ac_ann", 50, reason="welcome", expires_at=later, grant_id="pg_1")
    tip = await crash_everywhere(
        bank, monkeypatch, books, lambda: bank.service.applause.tip("ac_ann", "bc_a", 10, nickname="安", key="m1")
    )
    assert tip.balance == 40
    assert await bank.service.applause.balance("ac_ann") == 40


async def test_a_commit_whose_answer_is_lost_is_told_by_the_key(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    real_begin = uow_postgres.Units.begin

    @asynccontextmanager
    async def lossy(self: uow_postgres.Units) -> AsyncIterator[uow_postgres.Unit]:
        async with real_begin(self) as unit:
            yield unit
        if unit.outbox.written:
            raise Unavailable("busy", "the answer to COMMIT was lost")

    with monkeypatch.context() as patch:
        patch.setattr(uow_postgres.Units, "begin", lossy)
        with pytest.raises(Unavailable, match="COMMIT was lost"):
            await bank.service.sale.submit("ac_ann", order.order_id, "k2")
    assert (await bank.service.sale.submit("ac_ann", order.order_id, "k2")).state == "accepted"
    assert await bank.available_minor() == 100_000_000 - 100_000
    assert await audit(bank.pool) == []


async def test_a_pool_that_has_no_connection_left_answers_busy_in_time(postgres_url: str) -> None:
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=1) as pool:
        bank = Bank(pool, CommerceSettings(acquire_timeout_s=0.1))
        await bank.open_shop()
        async with pool.acquire():
            with pytest.raises(Unavailable, match="busy"):
                await bank.service.sale.own("ac_ann", before=None, limit=1)
