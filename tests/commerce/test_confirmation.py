"""T+1: what is due is confirmed once, whoever dies in between and however many run at once."""

import asyncio
import sys
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from commerce.audit_postgres import audit
from commerce.core_ledger import LedgerCore
from commerce.errors import CommerceError, Unavailable
from commerce.settings import CommerceSettings
from commerce.uow_postgres import Units
from commerce.working_days import CalendarEndedError
from tests.commerce.bank import ENVELOPES, HOST, Bank
from tests.commerce.faulty_core import FaultyCore
from tests.commerce.test_crash import crash_everywhere

ROOT = Path(__file__).parents[2]
TUESDAY = date(2026, 11, 24)


async def sold(bank: Bank, orders: int) -> None:
    """So many orders, accepted on Monday; then it is Tuesday."""
    await bank.open_shop()
    for n in range(orders):
        await bank.accepted(key=f"k{n}")
    bank.clock.advance(days=1)


async def states(pool: asyncpg.Pool) -> dict[str, int]:
    return {row[0]: row[1] for row in await pool.fetch("SELECT state, count(*) FROM orders GROUP BY 1")}


async def debits(pool: asyncpg.Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM ledger_transfers WHERE kind = 'debit'")
    return count


async def debited(bank: Bank) -> int:
    count: int = await bank.pool.fetchval("SELECT count(*) FROM core_holds WHERE state = 'debited'")
    return count


async def test_an_order_is_confirmed_on_the_next_working_day_with_its_units_and_its_evidence(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.accepted()
    assert await bank.service.confirmation.run() == []
    assert await states(bank.pool) == {"accepted": 1}
    bank.clock.advance(days=1)
    (line,) = await bank.service.confirmation.run()
    assert (line.product_id, line.broadcast_id, line.confirmed, line.confirmed_minor) == ("pr_a", "bc_a", 1, 100_000)
    row = await bank.pool.fetchrow("SELECT * FROM orders")
    assert (row["state"], row["confirmed_on"]) == ("confirmed", TUESDAY)
    assert row["confirmed_units_minor"] == line.units_minor == 100_000 - order.fee_minor
    outcomes = await bank.pool.fetch("SELECT outcome FROM sale_evidence ORDER BY step")
    assert [row["outcome"] for row in outcomes] == ["accepted", "confirmed"]
    assert await bank.taken_minor() == 100_000
    assert await bank.available_minor() == 100_000_000 - 100_000
    assert await audit(bank.pool) == []


async def test_running_again_repeats_the_report_and_does_nothing_else(bank: Bank) -> None:
    await sold(bank, 3)
    first = await bank.service.confirmation.run()
    assert await bank.service.confirmation.run() == first
    bank.clock.advance(days=1)
    assert await bank.service.confirmation.run() == []
    assert await bank.service.confirmation.run(TUESDAY) == first
    assert await debits(bank.pool) == 3


async def test_two_runs_at_once_confirm_each_order_once(bank: Bank) -> None:
    await sold(bank, 12)
    others = [Bank(bank.pool) for _ in range(2)]
    for other in others:
        other.clock.now = bank.clock.now
        other.new_id = bank.new_id
        other.use_core(None)
    await asyncio.gather(*(each.service.confirmation.run() for each in [bank, *others]))
    (line,) = await bank.service.confirmation.run()
    assert line.confirmed == 12
    assert await debits(bank.pool) == 12
    assert await audit(bank.pool) == []


async def test_a_run_that_crashes_anywhere_and_is_repeated_debits_once(
    bank: Bank, books: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold(bank, 1)

    async def confirmed() -> None:
        (line,) = await bank.service.confirmation.run()
        if line.unanswered:
            raise CommerceError("busy", "the next run goes on with it")

    async def until_confirmed() -> None:
        try:
            await confirmed()
        except CommerceError as error:
            raise Unavailable("busy", str(error)) from error

    await crash_everywhere(bank, monkeypatch, books, until_confirmed)
    assert await states(bank.pool) == {"confirmed": 1}
    assert await debits(bank.pool) == 1


async def test_a_process_killed_in_the_middle_is_gone_on_with(bank: Bank, postgres_url: str) -> None:
    await sold(bank, 60)
    for _ in range(3):
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.commerce.confirm_worker", cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(f"{postgres_url}\n".encode())
        async with asyncio.timeout(60):
            assert (await worker.stdout.readline()).strip() == b"begins"
            while await debited(bank) == 0:  # noqa: ASYNC110 - another process is at work
                await asyncio.sleep(0.002)
        worker.kill()
        await worker.wait()
        if (await states(bank.pool)).get("accepted", 0) > 0:
            break
    assert await audit(bank.pool) == []
    await bank.service.confirmation.run()
    assert await states(bank.pool) == {"confirmed": 60}
    assert await debits(bank.pool) == 60
    assert await audit(bank.pool) == []


async def test_an_order_that_is_being_confirmed_cannot_be_cancelled_any_more(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.accepted()
    core = FaultyCore(LedgerCore(Units(bank.pool, CommerceSettings(), ENVELOPES), bank.clock, bank.new_id))
    bank.use_core(core)
    bank.clock.advance(days=1)
    core.faults.append("lost")
    await bank.service.confirmation.run()
    with pytest.raises(CommerceError, match="window_closed"):
        await bank.service.sale.cancel("ac_ann", order.order_id, "k2")
    (line,) = await bank.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (1, 0)
    assert await audit(bank.pool) == []


async def test_what_the_core_will_not_debit_fails_and_gives_its_quota_back(bank: Bank) -> None:
    await sold(bank, 2)
    async with bank.service._units.begin() as unit:
        held = await unit.confirmations.take(bank.clock(), bank.clock(), "", 1)
    hold_of = held[0].core_reference
    await bank.pool.execute("UPDATE core_holds SET state = 'released' WHERE reference_id = $1", hold_of)
    (line,) = await bank.service.confirmation.run()
    assert (line.confirmed, line.failed) == (1, 1)
    assert await bank.taken_minor() == 100_000


async def test_a_product_sold_at_a_net_value_waits_for_it(bank: Bank) -> None:
    await bank.approved("pr_nav", benchmark=None, nav="1.0234", past_performance_shown=False)
    await bank.service.stage.feature("bc_a", "pr_nav", HOST)
    await bank.add_customer()
    reading = await bank.reading("pr_nav")
    acknowledged = await bank.service.gate.acknowledge("ac_ann", reading)
    order = await bank.service.sale.reserve("ac_ann", acknowledged.acknowledgement_id, 100_000, "CNY", "k1")
    await bank.service.sale.submit("ac_ann", order.order_id, "k1")
    bank.clock.advance(days=1)
    (line,) = await bank.service.confirmation.run()
    assert (line.confirmed, line.awaiting_nav) == (0, 1)
    assert await states(bank.pool) == {"accepted": 1}


async def test_a_day_to_come_and_a_year_beyond_the_calendar_are_refused_aloud(bank: Bank) -> None:
    with pytest.raises(ValueError, match="has not come"):
        await bank.service.confirmation.run(TUESDAY)
    await bank.open_shop()
    bank.clock.advance(days=20_000)
    with pytest.raises(CalendarEndedError):
        await bank.service.confirmation.run()
