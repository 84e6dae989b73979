"""One order that cannot be gone on with stops nobody else: neither a reference that the core cannot take, nor a core
that is slow, nor a customer whose sealed record does not open."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from commerce.audit_postgres import audit
from commerce.core import CoreBanking, Hold, HoldState
from commerce.core_ledger import LedgerCore
from commerce.errors import RecordUnreadable
from commerce.settings import CommerceSettings
from commerce.uow_postgres import Units
from tests.commerce.bank import ENVELOPES, Bank

MONEY = 100_000_000
Act = Callable[[], Awaitable[HoldState]]


class StubbornCore:
    """The embedded core, which for some customers does what a test says instead."""

    def __init__(self, real: CoreBanking) -> None:
        self.real = real
        self.instead: dict[str, Callable[[Act], Awaitable[HoldState]]] = {}
        self.asked: list[str] = []
        self.customers: dict[str, str] = {}

    async def freeze(self, hold: Hold) -> HoldState:
        self.customers[hold.reference_id] = hold.customer_id
        return await self._do(hold.reference_id, lambda: self.real.freeze(hold))

    async def debit(self, hold: Hold) -> HoldState:
        return await self._do(hold.reference_id, lambda: self.real.debit(hold))

    async def release(self, hold: Hold) -> HoldState:
        return await self._do(hold.reference_id, lambda: self.real.release(hold))

    async def query(self, reference_id: str) -> HoldState:
        return await self._do(reference_id, lambda: self.real.query(reference_id))

    async def available_minor(self, customer_id: str, currency: str) -> int | None:
        return await self.real.available_minor(customer_id, currency)

    async def _do(self, reference_id: str, act: Act) -> HoldState:
        customer_id = self.customers[reference_id]
        self.asked.append(customer_id)
        instead = self.instead.get(customer_id)
        return await (act() if instead is None else instead(act))


async def silence(_: Act) -> HoldState:
    raise TimeoutError


async def lost(act: Act) -> HoldState:
    await act()
    raise TimeoutError


async def nonsense(_: Act) -> HoldState:
    raise KeyError("an adapter that stumbles over this reference")


@pytest.fixture
def core(pool: asyncpg.Pool, bank: Bank) -> StubbornCore:
    return StubbornCore(LedgerCore(Units(pool, CommerceSettings(), ENVELOPES), bank.clock, bank.new_id))


@pytest.fixture
async def shop(bank: Bank, core: StubbornCore) -> Bank:
    """Three customers of whom the core will not hear, and a fourth who bought after them."""
    bank.use_core(core)
    await bank.open_shop()
    for n in range(3):
        await bank.add_customer(f"ac_bad{n}")
    return bank


BUYERS = ["ac_bad0", "ac_bad1", "ac_bad2", "ac_ann"]


async def all_submitted(shop: Bank, core: StubbornCore) -> dict[str, str]:
    """Everybody's order by customer, each submitted a second after the one before and without an answer."""
    orders = {}
    for buyer in BUYERS:
        core.instead[buyer] = lost
        orders[buyer] = (await shop.accepted(buyer)).order_id
        core.instead[buyer] = silence
        shop.clock.advance(seconds=1)
    shop.clock.advance(seconds=10)
    del core.instead["ac_ann"]
    core.asked.clear()
    return orders


async def state_of(shop: Bank, customer_id: str) -> str:
    state: str = await shop.pool.fetchval("SELECT state FROM orders WHERE customer_id = $1", customer_id)
    return state


async def test_orders_that_the_core_never_answers_about_do_not_starve_the_others(
    shop: Bank, core: StubbornCore
) -> None:
    await all_submitted(shop, core)
    assert await shop.service.sale.settle_due(shop.clock()) == 0
    assert core.asked == BUYERS[:3], "after three silences it may be the core that is away"
    assert await shop.service.sale.settle_due(shop.clock()) == 1
    assert await state_of(shop, "ac_ann") == "accepted"
    for _ in range(20):
        shop.clock.advance(seconds=30)
        await shop.service.sale.settle_due(shop.clock())
    assert core.asked.count("ac_bad0") < 15, "the pause grows up to a minute"
    core.instead.clear()
    shop.clock.advance(seconds=60)
    assert await shop.service.sale.settle_due(shop.clock()) == 3
    assert await shop.pool.fetchval("SELECT count(*) FROM core_again") == 0
    assert shop.service.core.answers["query", "silent"] > 3


async def test_an_adapter_that_stumbles_over_one_reference_goes_on_with_the_next(
    shop: Bank, core: StubbornCore
) -> None:
    await all_submitted(shop, core)
    for buyer in BUYERS[:3]:
        core.instead[buyer] = nonsense
    assert await shop.service.sale.settle_due(shop.clock()) == 1
    assert await state_of(shop, "ac_ann") == "accepted"
    assert shop.service.core.answers["query", "failed"] == 3


async def test_orders_that_cannot_be_paid_back_do_not_starve_the_others(shop: Bank, core: StubbornCore) -> None:
    for buyer in BUYERS:
        order = await shop.accepted(buyer)
        core.instead[buyer] = silence
        await shop.service.sale.cancel(buyer, order.order_id, "c")
    del core.instead["ac_ann"]
    shop.clock.advance(seconds=2)
    await shop.service.sale.settle_due(shop.clock())
    await shop.service.sale.settle_due(shop.clock())
    assert await shop.available_minor("ac_ann") == MONEY
    assert await shop.available_minor("ac_bad0") == MONEY - 100_000
    assert await audit(shop.pool) == []


async def test_orders_that_are_not_debited_do_not_starve_the_others(shop: Bank, core: StubbornCore) -> None:
    for buyer in BUYERS:
        await shop.accepted(buyer)
    for buyer in BUYERS[:3]:
        core.instead[buyer] = silence
    shop.clock.advance(days=1)
    (line,) = await shop.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (0, 4)
    (line,) = await shop.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (1, 3)
    assert await state_of(shop, "ac_ann") == "confirmed"
    core.instead.clear()
    (line,) = await shop.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (4, 0)
    assert await shop.pool.fetchval("SELECT count(*) FROM core_again") == 0
    assert await audit(shop.pool) == []


async def test_a_customer_whose_record_does_not_open_keeps_nobody_elses_order_from_its_end(
    shop: Bank, core: StubbornCore
) -> None:
    orders = await all_submitted(shop, core)
    core.instead.clear()
    sealed = await shop.pool.fetchval("SELECT personal FROM customers WHERE customer_id = 'ac_bad0'")
    await shop.pool.execute("UPDATE customers SET personal = $1 WHERE customer_id = 'ac_bad0'", sealed[:-1] + b"\x00")
    assert await shop.service.sale.settle_due(shop.clock()) == 3
    assert await state_of(shop, "ac_bad0") == "outcome_unknown"
    with pytest.raises(RecordUnreadable):
        await shop.service.sale.submit("ac_bad0", orders["ac_bad0"], "k1")
    assert ENVELOPES.unopened > 0
    await shop.pool.execute("UPDATE customers SET personal = $1 WHERE customer_id = 'ac_bad0'", sealed)
    shop.clock.advance(seconds=2)
    assert await shop.service.sale.settle_due(shop.clock()) == 1, "with the key back it is gone on with"
    assert await audit(shop.pool) == []


async def test_a_record_that_does_not_open_keeps_nobody_else_from_being_confirmed(
    shop: Bank, core: StubbornCore, caplog: pytest.LogCaptureFixture
) -> None:
    for buyer in BUYERS:
        await shop.accepted(buyer)
    sealed = await shop.pool.fetchval("SELECT personal FROM customers WHERE customer_id = 'ac_bad0'")
    await shop.pool.execute("UPDATE customers SET personal = '{\"name\":\"王小梅\"}' WHERE customer_id = 'ac_bad0'")
    shop.clock.advance(days=1)
    (line,) = await shop.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (3, 1)
    assert "ac_bad0" in caplog.text
    assert "name" not in caplog.text, "what stands in a damaged row is not repeated"
    await shop.pool.execute("UPDATE customers SET personal = $1 WHERE customer_id = 'ac_bad0'", sealed)
    (line,) = await shop.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (4, 0)
    assert await shop.pool.fetchval("SELECT count(*) FROM ledger_transfers WHERE kind = 'debit'") == 4
    assert await audit(shop.pool) == []


async def test_orders_whose_rows_are_damaged_keep_nobody_elses_from_their_end(shop: Bank, core: StubbornCore) -> None:
    await all_submitted(shop, core)
    core.instead.clear()
    async with shop.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM customers WHERE customer_id IN ('ac_bad0', 'ac_bad1')")
    assert await shop.service.sale.settle_due(shop.clock()) == 2
    assert await state_of(shop, "ac_ann") == "accepted"
    async with shop.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM customers WHERE customer_id = 'ac_bad2'")
    shop.clock.advance(days=1)
    (line,) = await shop.service.confirmation.run()
    assert (line.confirmed, line.unanswered) == (1, 1)


async def test_a_reservation_that_cannot_be_ended_keeps_no_other_from_its_end(shop: Bank) -> None:
    await shop.reserved("ac_bad0")
    await shop.reserved("ac_ann")
    damage = "UPDATE customer_positions SET taken_minor = 0 WHERE customer_id = 'ac_bad0'"  # 0 and less is no position
    await shop.pool.execute(damage)
    shop.clock.advance(seconds=300)
    for _ in range(2):
        await shop.service.sale.expire_due(shop.clock())
    assert (await state_of(shop, "ac_bad0"), await state_of(shop, "ac_ann")) == ("reserved", "expired")
    await shop.pool.execute(damage.replace("= 0 ", "= 100000 "))
    shop.clock.advance(seconds=60)
    assert await shop.service.sale.expire_due(shop.clock()) == 1
    assert await audit(shop.pool) == []


async def test_in_a_group_only_the_customer_whose_record_does_not_open_is_sent_away(shop: Bank) -> None:
    read = {buyer: await shop.acknowledged(buyer) for buyer in BUYERS}
    await shop.pool.execute("UPDATE customers SET personal = '\\x00' WHERE customer_id = 'ac_bad1'")
    reserve = shop.service.sale.reserve
    made = await asyncio.gather(
        *(reserve(buyer, read[buyer], 100_000, "CNY", "k1") for buyer in BUYERS), return_exceptions=True
    )
    assert [type(one).__name__ for one in made] == ["OrderView", "RecordUnreadable", "OrderView", "OrderView"]


@pytest.mark.parametrize("answer", [HoldState.NOT_KNOWN, HoldState.FROZEN, HoldState.REFUSED, HoldState.DEBITED])
async def test_funds_count_as_paid_back_only_when_the_core_says_so(
    shop: Bank, core: StubbornCore, answer: HoldState
) -> None:
    async def says(_: Act) -> HoldState:
        return answer

    order = await shop.accepted()
    core.instead["ac_ann"] = says
    assert (await shop.service.sale.cancel("ac_ann", order.order_id, "c")).state == "cancelled"
    shop.clock.advance(seconds=2)
    assert await shop.service.sale.settle_due(shop.clock()) == 0
    assert await shop.service.sale.settle_due(shop.clock()) == 0
    assert shop.service.core.answers["release", answer.value] == 2, "and it is not asked again at once"
    assert await audit(shop.pool) == []
    core.instead.clear()
    shop.clock.advance(seconds=4)
    assert await shop.service.sale.settle_due(shop.clock()) == 1
    assert await shop.available_minor() == MONEY


async def test_a_slow_core_does_not_keep_reservations_from_expiring(shop: Bank, core: StubbornCore) -> None:
    asked = asyncio.Event()

    async def never(_: Act) -> HoldState:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    await all_submitted(shop, core)
    core.instead["ac_bad0"] = never
    await shop.reserved(key="r")
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        settling = tasks.create_task(shop.service.settle_forever(every_s=0.01))
        await asked.wait()
        shop.clock.advance(seconds=300)
        sweeping = tasks.create_task(shop.service.sweep_forever(every_s=0.01))
        while not await shop.pool.fetchval("SELECT count(*) FROM orders WHERE state = 'expired'"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        settling.cancel()
        sweeping.cancel()
