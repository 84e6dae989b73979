"""PostgreSQL itself is killed in the middle of a group and started again: what was told is there, and nothing twice."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import asyncpg

from commerce.audit_postgres import audit
from commerce.errors import CommerceError, Unavailable
from commerce.settings import CommerceSettings
from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.migrate import migrate
from tests.commerce.bank import Bank

ORDERS = 120
PATIENCE_S = 90


async def order(bank: Bank, acknowledgement_id: str, n: int, told: dict[int, str]) -> None:
    """What an app does while the server says *busy*: the same key, until it is answered."""
    async with asyncio.timeout(PATIENCE_S):
        while n not in told:
            try:
                view = await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", f"k{n}")
                told[n] = view.order_id
            except Unavailable:
                await asyncio.sleep(0.1)
            except CommerceError as error:
                told[n] = error.code


async def kill(server: EmbeddedPostgres, pool: asyncpg.Pool) -> None:
    """SIGKILL to the postmaster and every process of it: no checkpoint, no goodbye."""
    backends = await pool.fetch("SELECT pid FROM pg_stat_activity")
    for pid in [server.process.pid, *(row["pid"] for row in backends)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(server.process.wait, 10)


async def test_a_postgres_killed_in_the_middle_of_a_group_loses_nothing_that_was_told(embedded_dir: Path) -> None:
    folder = embedded_dir / "killed"
    folder.mkdir()
    folder.chmod(0o755)
    runtime = folder / "p"
    runtime.mkdir(mode=0o777)
    server = await asyncio.to_thread(start_postgres, folder, runtime)
    try:
        await asyncio.to_thread(migrate, server.url)
        pool = await asyncpg.create_pool(server.url, min_size=2, max_size=6)
        bank = Bank(pool, CommerceSettings(order_group_most=8))
        await bank.open_shop(customer_maximum_minor=300_000_000)
        made = await bank.acknowledged()
        told: dict[int, str] = {}
        buyers = [asyncio.create_task(order(bank, made, n, told)) for n in range(ORDERS)]
        async with asyncio.timeout(PATIENCE_S):
            while len(told) < ORDERS // 4:  # noqa: ASYNC110 - buyers are at work
                await asyncio.sleep(0.001)
        await kill(server, pool)
        before = dict(told)
        assert len(before) < ORDERS, "it was the middle"
        server = await asyncio.to_thread(start_postgres, folder, runtime)
        await asyncio.gather(*buyers)
        assert before.items() <= told.items()
        there = {row["order_id"] for row in await pool.fetch("SELECT order_id FROM orders")}
        assert there == set(told.values()), "every order was told to somebody, and to nobody else"
        assert len(there) == ORDERS
        assert await audit(pool) == []
        pool.terminate()
    finally:
        server.stop()
