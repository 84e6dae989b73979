"""`kill -9` between any two statements of a purchase; who comes back with the same keys ends with one order."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import asyncpg

from commerce.audit_postgres import audit
from commerce.errors import Unavailable
from commerce.receipt import OrderView
from tests.commerce.bank import Bank

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120
MONEY = 1_000_000
MOST = 200  # more statements than a purchase with its cancel has


async def come_back(bank: Bank, customer_id: str, acknowledgement_id: str) -> OrderView:
    """What an app does after its server was killed: the same keys again, until each has its answer."""
    sale = bank.service.sale
    for _ in range(50):
        try:
            order = await sale.reserve(customer_id, acknowledgement_id, 100_000, "CNY", "r")
            await sale.submit(customer_id, order.order_id, "s")
            return await sale.cancel(customer_id, order.order_id, "c")
        except Unavailable:
            await asyncio.sleep(0.02)  # the killed one's connection ends in the database's own time
    raise AssertionError("it never got through")


async def test_a_server_killed_between_any_two_statements_sells_once(
    bank: Bank, books: asyncpg.Pool, postgres_url: str
) -> None:
    await bank.open_shop()
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.commerce.killed_worker", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{postgres_url}\n".encode())
    ends: Counter[str] = Counter()
    async with asyncio.timeout(PATIENCE_S):
        for n in range(1, MOST):
            customer_id = f"ac_{n}"
            await bank.add_customer(customer_id, money=MONEY)
            made = await bank.acknowledged(customer_id)
            worker.stdin.write(f"{n} {customer_id} {made}\n".encode())
            number, end = (await worker.stdout.readline()).decode().split()
            assert number == str(n)
            ends[end] += 1
            if n % 5 == 0:
                assert await audit(books) == [], "right before anybody comes back"
            assert (await come_back(bank, customer_id, made)).state == "cancelled"
            if end == "through":
                break
        worker.stdin.close()
        await worker.wait()
    assert ends["through"] == 1
    assert ends["killed"] > 25, "the purchase was cut at every one of its statements"
    assert ends.total() == ends["through"] + ends["killed"]
    assert await audit(bank.pool) == []
    tries = ends.total()
    assert await bank.pool.fetchval("SELECT count(*) FROM orders") == tries
    assert await bank.pool.fetchval("SELECT count(*) FROM core_holds WHERE state = 'released'") == tries
    assert await bank.taken_minor() == 0
    for n in range(1, tries + 1):
        assert await bank.available_minor(f"ac_{n}") == MONEY
    outcomes = await bank.pool.fetch("SELECT outcome, count(*) AS n FROM sale_evidence GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in outcomes] == [("accepted", tries), ("cancelled", tries)], "each is evidenced once"
