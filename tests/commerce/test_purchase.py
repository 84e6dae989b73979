"""A purchase from the gate to the receipt, on a real database."""

import asyncpg
import pytest

from commerce.gate import GateCustomer
from commerce.purchase import ACKNOWLEDGEMENT_TEXT
from tests.commerce.bank import NOW, Bank


async def test_a_suitable_customer_buys_from_gate_to_receipt(bank: Bank) -> None:
    await bank.open_shop()
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert gate.allowed
    assert gate.refusals == []
    assert gate.customer == GateCustomer("C3", NOW.replace(year=2027, month=10, day=24), 100_000_000, "CNY")
    reserved = await bank.reserved(amount_minor=200_000)
    assert reserved.state == "reserved"
    assert (reserved.reserved_until - NOW).total_seconds() == 240
    assert reserved.stream_time_ms == 65_000
    assert reserved.fee_minor == 995
    assert await bank.taken_minor() == 200_000

    accepted = await bank.service.sale.submit("ac_ann", reserved.order_id, "k2")
    assert accepted.state == "accepted"
    receipt = accepted.receipt
    assert receipt
    assert receipt.customer_name == "*安"
    assert receipt.product == "稳健180天"
    assert (receipt.risk_rating, receipt.risk_tolerance) == ("R2", "C3")
    assert receipt.amount.amount_minor == 200_000
    assert receipt.acknowledgement_text == ACKNOWLEDGEMENT_TEXT
    assert (receipt.broadcast_title, receipt.host, receipt.licence_no) == ("早间理财", "林晓", "L-001")
    assert await bank.available_minor() == 99_800_000
    assert await bank.service.sale.read("ac_ann", reserved.order_id) == accepted


async def test_history_names_every_step_of_an_order(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.accepted()
    await bank.service.sale.cancel("ac_ann", order.order_id, "k3")
    rows = await bank.pool.fetch(
        "SELECT from_state, to_state, actor_id FROM order_moves WHERE order_id = $1 ORDER BY step", order.order_id
    )
    assert [tuple(row) for row in rows] == [
        ("acknowledged", "reserved", "ac_ann"),
        ("reserved", "submitted", "ac_ann"),
        ("submitted", "accepted", "system"),
        ("accepted", "cancelled", "ac_ann"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET amount_minor = amount_minor + 1",
        "UPDATE orders SET customer_id = 'ac_bob'",
        "UPDATE orders SET created_at = created_at + interval '1 s'",
        "UPDATE orders SET stream_time_ms = NULL",
        "DELETE FROM orders",
    ],
)
async def test_what_an_order_was_reserved_with_never_changes(bank: Bank, statement: str) -> None:
    await bank.open_shop()
    await bank.reserved()
    with pytest.raises(asyncpg.RestrictViolationError):
        await bank.pool.execute(statement)


async def test_cancelling_an_accepted_order_gives_funds_and_quota_back(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.accepted(amount_minor=300_000)
    cancelled = await bank.service.sale.cancel("ac_ann", order.order_id, "k3")
    assert cancelled.state == "cancelled"
    assert cancelled.receipt, "the receipt of what was accepted stays"
    assert await bank.available_minor() == 100_000_000
    assert await bank.taken_minor() == 0


async def test_cancelling_a_reservation_gives_its_quota_back(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    await bank.service.sale.cancel("ac_ann", order.order_id, "k2")
    assert await bank.taken_minor() == 0


async def test_the_sweeper_ends_due_reservations_once_and_again_changes_nothing(bank: Bank) -> None:
    await bank.open_shop()
    first = await bank.reserved(key="k1")
    bank.clock.advance(seconds=120)
    second = await bank.reserved(key="k2")
    bank.clock.advance(seconds=120)
    assert await bank.service.sale.expire_due(bank.clock()) == 1
    assert await bank.service.sale.expire_due(bank.clock()) == 0
    assert (await bank.service.sale.read("ac_ann", first.order_id)).state == "expired"
    assert (await bank.service.sale.read("ac_ann", second.order_id)).state == "reserved"
    assert await bank.taken_minor() == 100_000


async def test_a_reservation_outlives_its_card_on_stage(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    await bank.service.stage.pull_all("bc_a", "ended")
    bank.broadcasts.change("bc_a", state="ended", monitor_absent=True)
    assert (await bank.service.sale.submit("ac_ann", order.order_id, "k2")).state == "accepted"


async def test_own_orders_are_listed_newest_first_in_pages(bank: Bank) -> None:
    await bank.open_shop()
    ids = [(await bank.reserved(key=f"k{n}")).order_id for n in range(3)]
    first = await bank.service.sale.own("ac_ann", before=None, limit=2)
    rest = await bank.service.sale.own("ac_ann", before=first[-1].order_id, limit=2)
    assert [order.order_id for order in [*first, *rest]] == ids[::-1]
    assert await bank.service.sale.own("ac_bob", before=None, limit=9) == []
