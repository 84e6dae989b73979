"""Every refusal that a buyer can meet: its code, and that nothing was taken."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from commerce.audit_postgres import audit
from commerce.errors import CommerceError
from commerce.money import MAX_MINOR, Money
from tests.commerce.bank import HOST, NOW, Bank, content
from tests.commerce.test_suitability import SENIOR


async def code_of(attempt: Awaitable[Any]) -> str:
    with pytest.raises(CommerceError) as caught:
        await attempt
    return caught.value.code


async def customer_changes(bank: Bank, **changes: Any) -> None:
    await bank.add_customer(money=0, **changes)


LASTING: dict[str, dict[str, Any]] = {
    "not_assessed": {"risk_tolerance": None, "assessed_at": None},
    "assessment_expired": {"assessed_at": NOW - timedelta(days=400)},
    "risk_mismatch": {"risk_tolerance": 1},
    "minor": {"birth_date": date(2010, 1, 1)},
}


@pytest.mark.parametrize("code", LASTING)
async def test_an_unsuitable_customer_is_refused_at_the_gate_the_reading_and_the_order(bank: Bank, code: str) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    await customer_changes(bank, **LASTING[code])
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert not gate.allowed
    assert [refusal.code for refusal in gate.refusals] == [code]
    assert await code_of(bank.acknowledged()) == code
    attempt = bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    assert await code_of(attempt) == code
    assert await bank.taken_minor() == 0


AMOUNTS: list[tuple[object, str]] = [
    (0, "bad_amount"),
    (-100_000, "bad_amount"),
    (100_000.0, "bad_amount"),
    ("100000", "bad_amount"),
    (True, "bad_amount"),
    (MAX_MINOR + 1, "bad_amount"),
    (99_999, "below_minimum"),
    (100_001, "bad_increment"),
    (50_010_000, "over_limit"),
    (MAX_MINOR - 5_807, "over_limit"),
]


@pytest.mark.parametrize(("amount", "code"), AMOUNTS)
async def test_an_amount_that_the_terms_forbid(bank: Bank, amount: object, code: str) -> None:
    await bank.open_shop()
    assert await code_of(bank.reserved(amount_minor=amount)) == code
    assert await bank.taken_minor() == 0


async def test_another_currency_than_the_products(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    reserve = bank.service.sale.reserve
    assert await code_of(reserve("ac_ann", acknowledgement_id, 100_000, "USD", "k1")) == "bad_amount"
    assert await code_of(reserve("ac_ann", acknowledgement_id, 100_000, 156, "k2")) == "bad_amount"


async def test_several_orders_reach_the_customers_maximum_and_not_beyond(bank: Bank) -> None:
    await bank.open_shop(customer_maximum_minor=300_000)
    await bank.reserved(amount_minor=200_000, key="k1")
    assert await code_of(bank.reserved(amount_minor=110_000, key="k2")) == "over_limit"
    await bank.reserved(amount_minor=100_000, key="k3")
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert [refusal.code for refusal in gate.refusals] == ["over_limit"]


async def test_an_order_beyond_the_quota_is_refused_and_a_smaller_one_passes(bank: Bank) -> None:
    await bank.open_shop(quota_total_minor=250_000)
    await bank.reserved(amount_minor=120_000, key="k1")
    assert await code_of(bank.reserved(amount_minor=140_000, key="k2")) == "quota_empty"
    await bank.reserved(amount_minor=130_000, key="k3")
    assert await bank.taken_minor() == 250_000
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert [refusal.code for refusal in gate.refusals] == ["quota_empty"]


@pytest.mark.parametrize("days", [-2, 30])
async def test_outside_the_window(bank: Bank, days: int) -> None:
    await bank.open_shop()
    bank.clock.advance(days=days)
    acknowledgement_id = await bank.acknowledged()
    attempt = bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    assert await code_of(attempt) == "window_closed"


@pytest.mark.parametrize(
    ("after_s", "outcome"), [(-0.000001, "cancelled"), (0, "window_closed"), (0.000001, "window_closed")]
)
async def test_cancelling_ends_to_the_microsecond_when_the_window_closes(
    bank: Bank, after_s: float, outcome: str
) -> None:
    closes_at = bank.clock() + timedelta(seconds=100)
    await bank.open_shop(window_closes_at=closes_at)
    order = await bank.accepted()
    bank.clock.now = closes_at + timedelta(seconds=after_s)
    cancel = bank.service.sale.cancel("ac_ann", order.order_id, "c")
    came = (await cancel).state if outcome == "cancelled" else await code_of(cancel)
    assert came == outcome
    held = 0 if outcome == "cancelled" else 100_000
    assert await bank.taken_minor() == held
    assert await bank.available_minor() == 100_000_000 - held


@pytest.mark.parametrize(("after_s", "outcome"), [(-0.000001, "accepted"), (0, "window_closed")])
async def test_what_was_reserved_before_the_window_closed_is_not_submitted_after(
    bank: Bank, after_s: float, outcome: str
) -> None:
    closes_at = bank.clock() + timedelta(seconds=100)
    await bank.open_shop(window_closes_at=closes_at)
    order = await bank.reserved()
    bank.clock.now = closes_at + timedelta(seconds=after_s)
    for _ in range(2):
        submit = bank.service.sale.submit("ac_ann", order.order_id, "s")
        assert ((await submit).state if outcome == "accepted" else await code_of(submit)) == outcome
    assert await audit(bank.pool) == []


async def test_means_are_exceeded_by_all_products_together(bank: Bank) -> None:
    await bank.open_shop()
    await customer_changes(bank, declared_means=Money(250_000, "CNY"))
    await bank.reserved(amount_minor=100_000, key="k1")
    assert await code_of(bank.reserved(amount_minor=160_000, key="k2")) == "unaffordable"
    await bank.reserved(amount_minor=150_000, key="k3")


async def test_a_senior_waits_a_day_after_the_extra_disclosure(bank: Bank) -> None:
    await bank.open_shop(issuer_rating="R4")
    await customer_changes(bank, birth_date=SENIOR.birth_date, risk_tolerance=5)
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert [refusal.code for refusal in gate.refusals] == ["senior_wait"]
    assert gate.extra_disclosure is not None
    assert gate.extra_disclosure.acknowledged_at is None
    assert await code_of(bank.reserved(key="k1")) == "senior_wait"

    reading = replace(await bank.reading(), extra_disclosure_read=True)
    await bank.service.gate.acknowledge("ac_ann", reading)
    bank.clock.advance(hours=23)
    await bank.service.gate.acknowledge("ac_ann", reading)
    assert await code_of(bank.reserved(key="k2")) == "senior_wait"
    bank.clock.advance(hours=1)
    assert (await bank.service.gate.check("bc_a", "pr_a", "ac_ann")).allowed
    assert (await bank.reserved(key="k3")).state == "reserved"


READINGS: list[dict[str, Any]] = [
    {"typed_text": ""},
    {"typed_text": "本人已经阅读风险揭示,愿意承担投资风险"},
    {"documents_opened": ()},
    {"dwell_ms": 2_999},
]


@pytest.mark.parametrize("changes", READINGS)
async def test_a_reading_that_skips_something(bank: Bank, changes: dict[str, Any]) -> None:
    await bank.open_shop()
    attempt = bank.service.gate.acknowledge("ac_ann", replace(await bank.reading(), **changes))
    assert await code_of(attempt) == "disclosure_missing"


async def test_an_acknowledgement_of_nobody_of_another_and_of_long_ago(bank: Bank) -> None:
    await bank.open_shop()
    await bank.add_customer("ac_bob")
    acknowledgement_id = await bank.acknowledged()
    reserve = bank.service.sale.reserve
    assert await code_of(reserve("ac_ann", "ak_none", 100_000, "CNY", "k1")) == "disclosure_missing"
    assert await code_of(reserve("ac_bob", acknowledgement_id, 100_000, "CNY", "k1")) == "disclosure_missing"
    bank.clock.advance(days=1)
    assert await code_of(reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k2")) == "disclosure_missing"


async def test_a_card_that_left_the_stage(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    await bank.service.stage.pull_all("bc_a", "test")
    assert await code_of(bank.acknowledged()) == "card_pulled"
    attempt = bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    assert await code_of(attempt) == "card_pulled"


async def test_a_card_in_a_broadcast_that_is_over(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    bank.broadcasts.change("bc_a", state="ended")
    attempt = bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    assert await code_of(attempt) == "card_pulled"


async def new_version(bank: Bank) -> None:
    await bank.service.products.edit("pr_a", {"name": "稳健180天（新）"}, "ac_host")
    await bank.service.products.move("pr_a", "submit", "ac_host")
    await bank.service.products.move("pr_a", "approve", "ac_checker")


async def test_an_acknowledgement_of_an_older_card_version(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    order = await bank.reserved()
    await new_version(bank)
    await bank.service.stage.feature("bc_a", "pr_a", HOST)
    attempt = bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k2")
    assert await code_of(attempt) == "card_version_stale"
    assert await code_of(bank.service.sale.submit("ac_ann", order.order_id, "k3")) == "card_version_stale"


@pytest.mark.parametrize(
    ("fact", "code"), [("monitor_absent", "monitor_absent"), ("recording_unavailable", "recording_unavailable")]
)
async def test_nobody_buys_unwatched_or_unrecorded_and_the_same_key_works_afterwards(
    bank: Bank, fact: str, code: str
) -> None:
    await bank.open_shop()
    order = await bank.reserved(key="k0")
    acknowledgement_id = await bank.acknowledged()
    bank.broadcasts.change("bc_a", **{fact: True})
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert [refusal.code for refusal in gate.refusals] == [code]
    reserve = bank.service.sale.reserve
    assert await code_of(reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")) == code
    assert await code_of(bank.service.sale.submit("ac_ann", order.order_id, "k2")) == code
    bank.broadcasts.change("bc_a", **{fact: False})
    assert (await reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")).state == "reserved"
    assert (await bank.service.sale.submit("ac_ann", order.order_id, "k2")).state == "accepted"


async def test_a_reservation_that_is_over_and_one_whose_product_or_broadcast_was_cut(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved(key="k1")
    cut = await bank.reserved(key="k2")
    bank.broadcasts.change("bc_a", state="terminated")
    assert await code_of(bank.service.sale.submit("ac_ann", cut.order_id, "k3")) == "card_pulled"
    bank.broadcasts.change("bc_a", state="live")
    bank.clock.advance(seconds=240)
    assert await code_of(bank.service.sale.submit("ac_ann", order.order_id, "k4")) == "reservation_expired"
    await bank.service.sale.expire_due(bank.clock())
    assert await code_of(bank.service.sale.submit("ac_ann", order.order_id, "k5")) == "reservation_expired"
    assert await code_of(bank.service.sale.cancel("ac_ann", order.order_id, "k6")) == "illegal_move"


async def test_a_withdrawn_product_takes_reservations_no_further(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    await bank.service.products.move("pr_a", "withdraw", "ac_checker")
    assert await code_of(bank.service.sale.submit("ac_ann", order.order_id, "k2")) == "card_pulled"
    assert (await bank.service.sale.cancel("ac_ann", order.order_id, "k3")).state == "cancelled"


async def test_more_than_the_account_holds_leaves_the_reservation_standing(bank: Bank) -> None:
    await bank.open_shop()
    await bank.add_customer("ac_bob", money=150_000)
    order = await bank.reserved("ac_bob", 160_000)
    assert await code_of(bank.service.sale.submit("ac_bob", order.order_id, "k2")) == "insufficient_funds"
    assert (await bank.service.sale.read("ac_bob", order.order_id)).state == "reserved"
    await bank.service.customers.credit("ac_bob", Money(10_000, "CNY"), transfer_id="more")
    assert (await bank.service.sale.submit("ac_bob", order.order_id, "k3")).state == "accepted"
    assert await bank.available_minor("ac_bob") == 0


async def test_another_customers_order_does_not_exist(bank: Bank) -> None:
    await bank.open_shop()
    await bank.add_customer("ac_bob")
    order = await bank.reserved()
    sale = bank.service.sale
    for attempt in (
        sale.read("ac_bob", order.order_id),
        sale.submit("ac_bob", order.order_id, "k1"),
        sale.cancel("ac_bob", order.order_id, "k1"),
        sale.read("ac_ann", "or_none"),
    ):
        assert await code_of(attempt) == "no_such_order"


async def test_a_draft_products_card_is_neither_featured_nor_gated(bank: Bank) -> None:
    await bank.add_customer()
    await bank.service.products.create(content(), "ac_host", product_id="pr_draft")
    assert await code_of(bank.service.stage.feature("bc_a", "pr_draft", HOST)) == "product_not_approved"
    assert await code_of(bank.service.gate.check("bc_a", "pr_draft", "ac_ann")) == "no_such_product"
    assert await code_of(bank.service.gate.check("bc_a", "pr_none", "ac_ann")) == "no_such_product"
    assert await code_of(bank.service.gate.check("bc_none", "pr_draft", "ac_ann")) == "no_such_broadcast"


async def test_a_broadcast_that_cannot_be_read_makes_busy_rather_than_a_guess(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    bank.broadcasts.failing = True
    attempt = bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    assert await code_of(attempt) == "busy"
    bank.broadcasts.failing = False
    assert (await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")).state == "reserved"
