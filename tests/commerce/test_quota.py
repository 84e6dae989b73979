"""The quota rule, pure and as the database keeps it: the two never differ."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.audit_postgres import audit
from commerce.errors import Conflict, Refusal
from commerce.money import MAX_MINOR, Money
from commerce.quota import Quota, coarse_left_minor
from commerce.quota_postgres import Quotas
from tests.commerce.bank import HOST, Bank


@given(st.integers(0, MAX_MINOR), st.lists(st.tuples(st.booleans(), st.integers(1, MAX_MINOR)), max_size=50))
def test_taken_never_passes_the_total_nor_falls_below_zero(total: int, steps: list[tuple[bool, int]]) -> None:
    quota, held = Quota(total), list[int]()
    for give_back, amount in steps:
        if give_back and held:
            quota = quota.give_back(held.pop())
            continue
        try:
            quota = quota.take(amount)
        except Refusal:
            assert amount > quota.left_minor
        else:
            held.append(amount)
        assert 0 <= quota.taken_minor <= total
        assert quota.taken_minor == sum(held)


def test_giving_back_more_than_is_taken_is_a_broken_invariant() -> None:
    with pytest.raises(AssertionError):
        Quota(10, 3).give_back(4)


@given(st.integers(0, MAX_MINOR), st.integers(1, 10**9))
def test_viewers_never_see_more_than_is_left(left: int, granularity: int) -> None:
    coarse = coarse_left_minor(left, granularity)
    assert coarse <= left < coarse + granularity


STEPS = [(True, 400), (True, 500), (True, 101), (True, 100), (False, 400), (True, MAX_MINOR), (True, 400), (True, 1)]


async def test_the_database_keeps_the_same_rule(pool: asyncpg.Pool) -> None:
    await Bank(pool).approved()
    await pool.execute("UPDATE quotas SET total_minor = 1000")
    model = Quota(1_000)
    async with pool.acquire() as connection:
        quotas = Quotas(connection)
        for take, amount in STEPS:
            try:
                expected = model.take(amount) if take else model.give_back(amount)
            except Refusal:
                with pytest.raises((asyncpg.CheckViolationError, asyncpg.NumericValueOutOfRangeError)):
                    await connection.execute("UPDATE quotas SET taken_minor = taken_minor + $1", amount)
                continue
            if take:
                await connection.execute("UPDATE quotas SET taken_minor = taken_minor + $1", amount)
            else:
                await quotas.give_back("pr_a", amount)
            model = expected
            assert await quotas.read("pr_a") == model
    assert await quotas_read(pool) == model


async def quotas_read(pool: asyncpg.Pool) -> Quota | None:
    async with pool.acquire() as connection:
        return await Quotas(connection).read("pr_a")


@pytest.mark.parametrize("taken", [-1, 1_001])
async def test_the_database_itself_refuses_an_oversold_quota(pool: asyncpg.Pool, taken: int) -> None:
    await Bank(pool).approved()
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("UPDATE quotas SET total_minor = 1000, taken_minor = $1", taken)


async def test_a_total_cannot_be_set_below_what_is_taken(bank: Bank) -> None:
    await bank.open_shop()
    await bank.reserved(amount_minor=200_000)
    assert (await bank.service.products.set_quota("pr_a", Money(200_000, "CNY"))).left_minor == 0
    with pytest.raises(Conflict, match="quota_below_taken"):
        await bank.service.products.set_quota("pr_a", Money(199_999, "CNY"))
    with pytest.raises(Conflict, match="currency_taken"):
        await bank.service.products.set_quota("pr_a", Money(900_000, "USD"))


async def test_a_currency_can_be_corrected_while_nothing_is_taken(bank: Bank) -> None:
    await bank.open_shop()
    wrong = await bank.reserved()
    assert await _corrected(bank) == "currency_taken"
    await bank.service.sale.cancel("ac_ann", wrong.order_id, "c")
    assert await _corrected(bank) == "approved"
    await bank.service.stage.feature("bc_a", "pr_a", HOST)
    made = await bank.service.sale.reserve("ac_ann", await bank.acknowledged(), 200_000, "USD", "k2")
    assert made.state == "reserved"
    position = await bank.pool.fetchrow("SELECT currency, taken_minor FROM customer_positions")
    assert tuple(position or ()) == ("USD", 200_000)
    assert (await bank.service.products.set_quota("pr_a", Money(200_000, "USD"))).left_minor == 0
    assert await audit(bank.pool) == []


async def _corrected(bank: Bank) -> str:
    """Take the product through review in another currency; the state it comes to, or why it does not."""
    products = bank.service.products
    if (await products.read("pr_a", staff=True)).state != "in_review":
        await products.edit("pr_a", {"currency": "USD"}, "ac_host")
        await products.move("pr_a", "submit", "ac_host")
    try:
        return (await products.move("pr_a", "approve", "ac_checker")).state
    except Conflict as conflict:
        return conflict.code
