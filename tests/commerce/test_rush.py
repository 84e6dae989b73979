"""A rush over several processes, one of them killed in the middle: nothing is sold twice, nothing told is lost."""

import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commerce.audit_postgres import audit
from commerce.errors import Unavailable
from commerce.settings import CommerceSettings
from tests.commerce.bank import HOST, Bank

ROOT = Path(__file__).resolve().parents[2]
WORKERS, ORDERS = 3, 150
PATIENCE_S = 90


class Worker:
    """A process of the rush and what it has told so far, by request number."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: dict[int, str] = {}

    async def read(self, until: int = sys.maxsize) -> None:
        """Take in answers until so many are there, or the process has ended."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while len(self.told) < until and (line := await self.process.stdout.readline()):
                if line.endswith(b"\n"):
                    number, answer = line.decode().split()
                    self.told[int(number)] = answer


async def start(number: int, url: str) -> Worker:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.commerce.rush_worker", str(number), str(ORDERS),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(f"{url}\n".encode())
    await process.stdin.drain()
    return Worker(process)


async def open_rush(bank: Bank, quota_minor: int) -> None:
    """A product on stage, by the real clock, and each worker's customers with their acknowledgements."""
    bank.clock.now = datetime.now(UTC)
    await bank.approved(
        quota_total_minor=quota_minor,
        customer_maximum_minor=900_000,
        window_opens_at=bank.clock.now - timedelta(days=1),
        window_closes_at=bank.clock.now + timedelta(days=1),
    )
    await bank.service.stage.feature("bc_a", "pr_a", HOST)
    for worker in range(WORKERS):
        for n in range(20):
            await bank.add_customer(f"ac_{worker}_{n}", assessed_at=bank.clock.now - timedelta(days=1))
            made = await bank.acknowledged(f"ac_{worker}_{n}")
            await bank.pool.execute(
                "INSERT INTO acknowledgements SELECT $2, customer_id, broadcast_id, product_id, card_version,"
                " typed_text, documents, disclosure_sha256, dwell_ms, stream_time_ms, acknowledged_at, expires_at"
                " FROM acknowledgements WHERE acknowledgement_id = $1",
                made, f"ak_{worker}_{n}",
            )  # fmt: skip


@pytest.mark.parametrize(("victim", "killed_after"), [(0, 1), (1, 25), (2, 90)])
async def test_processes_race_for_one_quota_and_one_is_killed(
    bank: Bank, postgres_url: str, victim: int, killed_after: int
) -> None:
    total = 30_000_000
    await open_rush(bank, total)
    workers = [await start(number, postgres_url) for number in range(WORKERS)]
    await workers[victim].read(killed_after)
    workers[victim].process.kill()
    await asyncio.gather(*(worker.read() for worker in workers))
    assert await audit(bank.pool) == [], "right while the killed one's customers have not come back"
    again = await start(victim, postgres_url)
    await again.read()
    for worker in [*workers, again]:
        await worker.process.wait()
    for number, answer in workers[victim].told.items():
        assert again.told[number] == answer, "the same key was answered differently"
    told = [answer for worker in (again, *workers[:victim], *workers[victim + 1 :]) for answer in worker.told.values()]
    assert len(told) == WORKERS * ORDERS, "everybody was answered"
    assert set(told) - {"over_limit", "quota_empty"} == set(
        row["order_id"] for row in await bank.pool.fetch("SELECT order_id FROM orders")
    )
    assert len([answer for answer in told if answer.startswith("or_")]) == await orders_count(bank)
    assert await bank.taken_minor() <= total
    assert await audit(bank.pool) == []


async def orders_count(bank: Bank) -> int:
    count: int = await bank.pool.fetchval("SELECT count(*) FROM orders")
    return count


async def test_a_customer_who_is_busy_elsewhere_holds_up_nobody_else(bank: Bank) -> None:
    await bank.open_shop()
    await bank.add_customer("ac_bob")
    ann, bob = await bank.acknowledged("ac_ann"), await bank.acknowledged("ac_bob")
    async with bank.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT FROM customers WHERE customer_id = 'ac_ann' FOR UPDATE")
        waiting = asyncio.create_task(bank.service.sale.reserve("ac_ann", ann, 100_000, "CNY", "k1"))
        assert (await bank.service.sale.reserve("ac_bob", bob, 100_000, "CNY", "k1")).state == "reserved"
        assert not waiting.done()
        await transaction.rollback()
    assert (await waiting).state == "reserved"


async def test_a_rush_beyond_the_queue_hears_busy_and_gets_through_later(bank: Bank) -> None:
    small = Bank(bank.pool, CommerceSettings(order_queue_limit=5, order_group_most=4))
    await small.open_shop(customer_maximum_minor=50_000_000)
    acknowledgement_id = await small.acknowledged()

    async def order(n: int) -> str:
        try:
            return (await small.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", f"k{n}")).state
        except Unavailable as error:
            return error.code if error.retry_after_s else "no time to come back"

    results = Counter(await asyncio.gather(*(order(n) for n in range(40))))
    assert set(results) == {"busy", "reserved"}
    assert {await order(n) for n in range(40)} == {"reserved"}
    assert await small.taken_minor() == 40 * 100_000
    assert await audit(bank.pool) == []


async def test_two_products_and_two_stages_go_side_by_side(bank: Bank) -> None:
    await bank.open_shop()
    await bank.approved("pr_b")
    await bank.service.stage.feature("bc_b", "pr_b", HOST)
    first = await bank.acknowledged()
    second = (await bank.service.gate.acknowledge("ac_ann", await bank.reading("pr_b", "bc_b"))).acknowledgement_id

    async def order(n: int) -> str:
        acknowledgement_id = first if n % 2 else second
        return (await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", f"k{n}")).product_id

    assert Counter(await asyncio.gather(*(order(n) for n in range(20)))) == {"pr_a": 10, "pr_b": 10}
    assert await bank.taken_minor("pr_b") == 1_000_000
    assert await audit(bank.pool) == []


async def test_postgres_ends_every_session_in_the_middle_of_a_rush(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()

    async def order(n: int) -> str:
        for _ in range(50):
            try:
                return (await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", f"k{n}")).order_id
            except Unavailable:
                continue
        raise AssertionError("it never got through")

    tasks = [asyncio.create_task(order(n)) for n in range(60)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await bank.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert len(set(await asyncio.gather(*tasks))) == 60
    assert await orders_count(bank) == 60
    assert await audit(bank.pool) == []
