"""Submitting against a core that fails: nothing is frozen twice, nothing stays unknown, no quota is lost."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import asyncpg
import pytest

from commerce.audit_postgres import audit
from commerce.core import Hold, HoldState
from commerce.core_ledger import LedgerCore
from commerce.errors import CommerceError, Unavailable
from commerce.money import Money
from commerce.settings import CommerceSettings
from commerce.uow_postgres import Units
from tests.commerce.bank import ENVELOPES, Bank
from tests.commerce.faulty_core import Fault, FaultyCore

MONEY = 100_000_000


@pytest.fixture
def core(pool: asyncpg.Pool, bank: Bank) -> FaultyCore:
    return FaultyCore(LedgerCore(Units(pool, CommerceSettings(), ENVELOPES), bank.clock, bank.new_id))


@pytest.fixture
async def shop(bank: Bank, core: FaultyCore) -> Bank:
    """A bank with a faulty core, open for business."""
    bank.use_core(core)
    await bank.open_shop()
    return bank


async def code_of(attempt: Awaitable[Any]) -> str:
    with pytest.raises(CommerceError) as caught:
        await attempt
    return caught.value.code


@pytest.mark.parametrize("fault", ["lost", "late", "refused"])
async def test_an_unanswered_core_is_processing_and_the_same_key_finds_out(
    shop: Bank, core: FaultyCore, fault: Fault
) -> None:
    order = await shop.reserved()
    core.faults.append(fault)
    unknown = await shop.service.sale.submit("ac_ann", order.order_id, "k2")
    assert (unknown.state, unknown.allowed) == ("outcome_unknown", ())
    assert await shop.taken_minor() == 100_000, "its quota stays held"
    assert await audit(shop.pool) == []
    assert await code_of(shop.service.sale.submit("ac_ann", order.order_id, "other")) == "in_progress"
    assert await code_of(shop.service.sale.cancel("ac_ann", order.order_id, "k3")) == "illegal_move"
    accepted = await shop.service.sale.submit("ac_ann", order.order_id, "k2")
    assert accepted.state == "accepted"
    await core.deliver()
    assert await shop.service.sale.submit("ac_ann", order.order_id, "k2") == accepted
    assert await shop.available_minor() == MONEY - 100_000, "frozen once"
    assert await audit(shop.pool) == []


async def test_a_request_delivered_twice_freezes_once(shop: Bank, core: FaultyCore) -> None:
    order = await shop.reserved()
    core.faults.append("twice")
    assert (await shop.service.sale.submit("ac_ann", order.order_id, "k2")).state == "accepted"
    assert await shop.available_minor() == MONEY - 100_000
    assert await audit(shop.pool) == []


async def test_the_sweeper_resolves_by_a_query_what_its_customer_left(shop: Bank, core: FaultyCore) -> None:
    order = await shop.reserved()
    core.faults.append("lost")
    await shop.service.sale.submit("ac_ann", order.order_id, "k2")
    assert await shop.service.sale.settle_due(shop.clock()) == 0, "too early"
    shop.clock.advance(seconds=10)
    assert await shop.service.sale.settle_due(shop.clock()) == 1
    assert core.calls == ["freeze", "query"], "asked, never frozen again"
    view = await shop.service.sale.read("ac_ann", order.order_id)
    assert view.state == "accepted"
    assert view.receipt
    assert (await shop.service.sale.submit("ac_ann", order.order_id, "k2")) == view
    assert await audit(shop.pool) == []


async def test_what_the_core_never_heard_of_is_given_up_and_cannot_come_back(shop: Bank, core: FaultyCore) -> None:
    order = await shop.reserved()
    core.faults.append("late")
    await shop.service.sale.submit("ac_ann", order.order_id, "k2")
    shop.clock.advance(seconds=60)
    assert await shop.service.sale.settle_due(shop.clock()) == 0, "the request may still be under way"
    shop.clock.advance(seconds=60)
    assert await shop.service.sale.settle_due(shop.clock()) == 1
    assert (await shop.service.sale.read("ac_ann", order.order_id)).state == "rejected"
    assert await shop.taken_minor() == 0
    await core.deliver()
    assert await shop.available_minor() == MONEY, "a freeze that arrives after the tombstone is not done"
    assert (await shop.service.sale.submit("ac_ann", order.order_id, "k2")).state == "rejected"
    assert await audit(shop.pool) == []


async def test_a_refusal_learnt_late_rejects_and_learnt_at_once_leaves_the_reservation(
    shop: Bank, core: FaultyCore
) -> None:
    await shop.add_customer("ac_poor", money=50_000)
    late, at_once = await shop.reserved("ac_poor", key="a"), await shop.reserved("ac_poor", key="b")
    core.faults.append("lost")
    assert (await shop.service.sale.submit("ac_poor", late.order_id, "k1")).state == "outcome_unknown"
    assert await code_of(shop.service.sale.submit("ac_poor", late.order_id, "k1")) == "insufficient_funds"
    assert (await shop.service.sale.read("ac_poor", late.order_id)).state == "rejected"
    for _ in range(2):
        assert await code_of(shop.service.sale.submit("ac_poor", at_once.order_id, "k2")) == "insufficient_funds"
    assert (await shop.service.sale.read("ac_poor", at_once.order_id)).state == "reserved"
    await shop.service.customers.credit("ac_poor", Money(50_000, "CNY"), transfer_id="more")
    assert (await shop.service.sale.submit("ac_poor", at_once.order_id, "k3")).state == "accepted"
    assert await audit(shop.pool) == []


async def test_a_cancel_is_done_even_if_the_core_pays_back_later(shop: Bank, core: FaultyCore) -> None:
    order = await shop.accepted()
    core.faults.append("refused")
    assert (await shop.service.sale.cancel("ac_ann", order.order_id, "k3")).state == "cancelled"
    assert await shop.available_minor() == MONEY - 100_000
    assert await audit(shop.pool) == []
    shop.clock.advance(seconds=2)
    assert await shop.service.sale.settle_due(shop.clock()) == 1
    assert await shop.service.sale.settle_due(shop.clock()) == 0
    assert await shop.available_minor() == MONEY
    assert await audit(shop.pool) == []


async def test_submits_of_one_key_at_once_freeze_once(shop: Bank, core: FaultyCore) -> None:
    order = await shop.reserved()
    core.faults.extend(["twice", "done", "twice"])
    answers = await asyncio.gather(*(shop.service.sale.submit("ac_ann", order.order_id, "k2") for _ in range(10)))
    assert {answer.state for answer in answers} == {"accepted"}
    assert await shop.available_minor() == MONEY - 100_000
    assert await audit(shop.pool) == []


async def test_one_key_submits_one_order(shop: Bank, core: FaultyCore) -> None:
    first, second = await shop.reserved(key="a"), await shop.reserved(key="b")
    core.faults.append("lost")
    await shop.service.sale.submit("ac_ann", first.order_id, "k2")
    assert await code_of(shop.service.sale.submit("ac_ann", second.order_id, "k2")) == "idempotency_conflict"


async def test_a_reservation_is_extended_once_and_not_after_its_time(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    assert order.allowed == ("submit", "cancel", "extend")
    extended = await bank.service.sale.extend("ac_ann", order.order_id, "e1")
    assert (extended.reserved_until - order.reserved_until).total_seconds() == 240
    assert extended.allowed == ("submit", "cancel")
    assert await bank.service.sale.extend("ac_ann", order.order_id, "e1") == extended
    assert await code_of(bank.service.sale.extend("ac_ann", order.order_id, "e2")) == "illegal_move"
    bank.clock.advance(seconds=300)
    assert await bank.service.sale.expire_due(bank.clock()) == 0
    late = await bank.reserved(key="late")
    bank.clock.advance(seconds=240)
    assert await code_of(bank.service.sale.extend("ac_ann", late.order_id, "e3")) == "reservation_expired"
    assert await code_of(bank.service.sale.extend("ac_ann", "or_none", "e4")) == "no_such_order"
    assert await audit(bank.pool) == []


async def test_an_open_purchase_is_found_again(bank: Bank) -> None:
    await bank.open_shop()
    done, begun = await bank.accepted(key="a"), await bank.reserved(key="b")
    found = await bank.service.sale.own("ac_ann", before=None, limit=9, open_only=True)
    assert [order.order_id for order in found] == [begun.order_id]
    assert len(await bank.service.sale.own("ac_ann", before=None, limit=9)) == 2
    assert done.order_id != begun.order_id


async def test_submitting_asks_for_a_fresh_proof_of_identity_where_it_is_set(pool: asyncpg.Pool) -> None:
    careful = Bank(pool, CommerceSettings(reauthentication_within_s=300))
    await careful.open_shop()
    order = await careful.reserved()
    submit = careful.service.sale.submit
    assert await code_of(submit("ac_ann", order.order_id, "k2")) == "reauthentication_required"
    proved = careful.clock()
    careful.clock.advance(seconds=100)
    accepted = await submit("ac_ann", order.order_id, "k2", authenticated_at=proved)
    assert accepted.state == "accepted", "what was asked for is not the key's answer"
    assert await pool.fetchval("SELECT authenticated_at FROM orders") == proved
    later = await careful.reserved(key="later")
    await careful.service.sale.extend("ac_ann", later.order_id, "e1")
    careful.clock.advance(seconds=201)
    attempt = submit("ac_ann", later.order_id, "k3", authenticated_at=proved)
    assert await code_of(attempt) == "reauthentication_required"


async def test_a_core_that_takes_too_long_is_not_waited_for(bank: Bank) -> None:
    class Slow(FaultyCore):
        async def freeze(self, hold: Hold) -> HoldState:
            await asyncio.sleep(60)
            raise Unavailable("busy", "never")

    hasty = Bank(bank.pool, CommerceSettings(core_timeout_s=0.05))
    hasty.use_core(Slow(LedgerCore(Units(bank.pool, CommerceSettings(), ENVELOPES), bank.clock, bank.new_id)))
    await hasty.open_shop()
    order = await hasty.reserved()
    assert (await hasty.service.sale.submit("ac_ann", order.order_id, "k2")).state == "outcome_unknown"


async def test_a_core_that_is_gone_does_not_hold_up_the_sweep(shop: Bank, core: FaultyCore) -> None:
    orders = [await shop.reserved(key=f"k{n}") for n in range(6)]
    for n, order in enumerate(orders):
        core.faults.append("lost")
        await shop.service.sale.submit("ac_ann", order.order_id, f"s{n}")
    shop.clock.advance(seconds=10)
    core.calls.clear()
    core.faults.extend(["refused"] * 6)
    assert await shop.service.sale.settle_due(shop.clock()) == 0
    assert core.calls == ["query"] * 3, "after three without an answer the rest waits for the next sweep"
    core.faults.clear()
    assert await shop.service.sale.settle_due(shop.clock()) == 3
    shop.clock.advance(seconds=2)
    assert await shop.service.sale.settle_due(shop.clock()) == 3, "those that were asked about in vain come last"
    assert await audit(shop.pool) == []


async def test_a_broadcast_that_cannot_be_read_leaves_the_rest_to_be_resolved(shop: Bank, core: FaultyCore) -> None:
    order = await shop.reserved()
    core.faults.append("lost")
    await shop.service.sale.submit("ac_ann", order.order_id, "k2")
    shop.clock.advance(seconds=10)
    shop.broadcasts.failing = True
    assert await shop.service.sale.settle_due(shop.clock()) == 0
    shop.broadcasts.failing = False
    shop.clock.advance(seconds=2)
    assert await shop.service.sale.settle_due(shop.clock()) == 1
