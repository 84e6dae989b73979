"""Money is whole minor units of a known currency, and nothing else."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.errors import Refusal
from commerce.money import MAX_MINOR, Money, currency_code, minor_units, subscription_fee_minor

amounts = st.integers(1, MAX_MINOR)


@pytest.mark.parametrize("value", [1.0, 1e6, True, "100", None, 0, -1, MAX_MINOR + 1, 10**40, Decimal(5), [1], b"1"])
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(Refusal) as caught:
        minor_units(value)
    assert caught.value.code == "bad_amount"


@pytest.mark.parametrize("value", ["cny", "CN", "CNYY", "XXX", "", None, 156, "CNY "])
def test_what_is_no_currency_is_refused(value: object) -> None:
    with pytest.raises(Refusal):
        currency_code(value)


@given(st.one_of(st.floats(), st.booleans(), st.text(), st.integers(max_value=0), st.integers(min_value=MAX_MINOR + 1)))
def test_nothing_but_a_positive_bigint_becomes_money(value: object) -> None:
    with pytest.raises(Refusal):
        Money(value, "CNY")  # type: ignore[arg-type]


@given(amounts, amounts)
def test_sums_are_exact_or_refused(first: int, second: int) -> None:
    if first + second > MAX_MINOR:
        with pytest.raises(Refusal):
            Money(first, "CNY").plus(Money(second, "CNY"))
    else:
        assert Money(first, "CNY").plus(Money(second, "CNY")) == Money(first + second, "CNY")


def test_two_currencies_do_not_add() -> None:
    with pytest.raises(ValueError, match="CNY and USD"):
        Money(1, "CNY").plus(Money(1, "USD"))


@given(amounts, st.integers(0, 1000))
def test_the_fee_is_within_half_a_minor_unit_of_the_exact_one(amount: int, bps: int) -> None:
    fee = subscription_fee_minor(amount, bps)
    exact = amount - Fraction(amount) / (1 + Fraction(bps, 10_000))
    assert 0 <= fee <= amount
    assert abs(fee - exact) <= Fraction(1, 2)


def test_no_rate_no_fee() -> None:
    assert subscription_fee_minor(123_457, 0) == 0
