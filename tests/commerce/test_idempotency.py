"""One key, one answer, however often and however simultaneously it is asked."""

import asyncio

import pytest

from commerce.errors import CommerceError, Refusal, Unavailable
from commerce.settings import CommerceSettings
from tests.commerce.bank import HOST, Bank


async def orders_count(bank: Bank) -> int:
    count: int = await bank.pool.fetchval("SELECT count(*) FROM orders")
    return count


async def test_a_repeat_gets_the_same_answer_whatever_happened_since(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    first = await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    accepted = await bank.service.sale.submit("ac_ann", first.order_id, "k2")
    await bank.service.sale.cancel("ac_ann", first.order_id, "k3")
    await bank.service.stage.pull_all("bc_a", "ended")
    assert await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1") == first
    assert await bank.service.sale.submit("ac_ann", first.order_id, "k2") == accepted
    assert await orders_count(bank) == 1


async def test_a_refusal_is_repeated_under_its_key_and_another_key_asks_anew(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    await bank.service.stage.pull_all("bc_a", "pulled")
    reserve = bank.service.sale.reserve
    for _ in range(2):
        with pytest.raises(Refusal, match="card_pulled"):
            await reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    await bank.service.stage.feature("bc_a", "pr_a", HOST)
    with pytest.raises(Refusal, match="card_pulled"):
        await reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    assert (await reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k2")).state == "reserved"


async def test_an_illegal_move_is_repeated_with_its_state(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.accepted()
    for _ in range(2):
        with pytest.raises(CommerceError) as caught:
            await bank.service.sale.submit("ac_ann", order.order_id, "k9")
        assert caught.value.code == "illegal_move"
        assert caught.value.extra == {"state": "accepted", "allowed": ["cancel"]}


async def test_the_same_key_with_another_body_is_a_conflict_and_changes_nothing(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved(amount_minor=100_000, key="k1")
    acknowledgement_id = await bank.acknowledged()
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
    other = await bank.reserved(amount_minor=110_000, key="k2")
    await bank.service.sale.submit("ac_ann", order.order_id, "k3")
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await bank.service.sale.submit("ac_ann", other.order_id, "k3")
    assert await bank.taken_minor() == 210_000


async def test_a_used_key_with_an_acknowledgement_that_is_not_theirs_is_a_conflict(bank: Bank) -> None:
    await bank.open_shop()
    await bank.reserved(key="k1")
    await bank.add_customer("ac_bob")
    reserve = bank.service.sale.reserve
    for not_theirs in ("ak_none", await bank.acknowledged("ac_bob")):
        with pytest.raises(CommerceError, match="idempotency_conflict"):
            await reserve("ac_ann", not_theirs, 100_000, "CNY", "k1")
        with pytest.raises(Refusal, match="disclosure_missing"):
            await reserve("ac_ann", not_theirs, 100_000, "CNY", "k2")
    assert await orders_count(bank) == 1


async def test_a_key_belongs_to_one_customer_and_one_operation(bank: Bank) -> None:
    await bank.open_shop()
    await bank.add_customer("ac_bob")
    ann = await bank.reserved("ac_ann", key="same")
    bob = await bank.reserved("ac_bob", key="same")
    assert ann.order_id != bob.order_id
    assert (await bank.service.sale.submit("ac_ann", ann.order_id, "same")).state == "accepted"
    assert (await bank.service.sale.cancel("ac_ann", ann.order_id, "same")).state == "cancelled"


async def test_duplicates_at_once_end_in_one_order_and_one_answer(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    answers = await asyncio.gather(
        *(bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1") for _ in range(15))
    )
    assert len(set(answers)) == 1
    accepted = await asyncio.gather(*(bank.service.sale.submit("ac_ann", answers[0].order_id, "k2") for _ in range(15)))
    assert len(set(accepted)) == 1
    assert await orders_count(bank) == 1
    assert await bank.taken_minor() == 100_000
    assert await bank.available_minor() == 100_000_000 - 100_000


async def test_duplicates_at_once_of_what_is_refused_all_hear_the_same(bank: Bank) -> None:
    await bank.open_shop()
    acknowledgement_id = await bank.acknowledged()
    results = await asyncio.gather(
        *(bank.service.sale.reserve("ac_ann", acknowledgement_id, 50_010_000, "CNY", "k1") for _ in range(10)),
        return_exceptions=True,
    )
    assert {result.code for result in results if isinstance(result, Refusal)} == {"over_limit"}
    assert len(results) == sum(isinstance(result, Refusal) for result in results)


async def test_a_duplicate_of_what_is_under_way_for_long_hears_in_progress(bank: Bank) -> None:
    hasty = Bank(bank.pool, CommerceSettings(duplicate_wait_s=0.2))
    await hasty.open_shop()
    acknowledgement_id = await hasty.acknowledged()
    async with bank.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(
            "INSERT INTO idempotency_keys VALUES ('ac_ann', 'reserve', 'k1', 'x', NULL, now())",
        )
        with pytest.raises(Unavailable, match="in_progress") as caught:
            await hasty.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")
        assert caught.value.retry_after_s
        await transaction.rollback()
    assert (await hasty.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "k1")).state == "reserved"


async def test_a_tip_repeated_after_a_lost_answer_is_spent_once(bank: Bank) -> None:
    await bank.add_customer()
    later = bank.clock.now.replace(year=2027)
    await bank.service.applause.grant("ac_ann", 50, reason="welcome", expires_at=later, grant_id="pg_1")
    tips = [await bank.service.applause.tip("ac_ann", "bc_a", 10, nickname="安", key="m1") for _ in range(3)]
    assert len(set(tips)) == 1
    assert await bank.service.applause.balance("ac_ann") == 40
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await bank.service.applause.tip("ac_ann", "bc_a", 11, nickname="安", key="m1")


async def test_a_key_is_kept_for_thirty_days_and_then_forgotten(bank: Bank) -> None:
    await bank.open_shop(window_closes_at=bank.clock.now.replace(year=2027))
    acknowledgement_id = await bank.acknowledged()
    first = await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "old")
    bank.clock.advance(days=1)
    await bank.reserved(key="young")
    bank.clock.advance(days=29)
    assert await bank.service.sale.purge_keys(bank.clock()) == 0, "thirty days to the second"
    assert await bank.service.sale.reserve("ac_ann", acknowledgement_id, 100_000, "CNY", "old") == first
    bank.clock.advance(seconds=1)
    assert await bank.service.sale.purge_keys(bank.clock()) == 1
    assert await bank.service.sale.purge_keys(bank.clock()) == 0
    assert await bank.pool.fetchval("SELECT key FROM idempotency_keys") == "young"
