"""Suitability, cell by cell."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.money import Money
from commerce.suitability import (
    Customer,
    SuitabilityRules,
    age_on,
    assessed_until,
    business_date,
    lasting_refusals,
    means_refusal,
    needs_extra_disclosure,
    senior_refusal,
    suitable_levels,
)
from tests.commerce.bank import NOW, customer

RULES = SuitabilityRules()
SENIOR = customer(birth_date=date(1955, 1, 1), risk_tolerance=5)


def codes(who: Customer | None, rating: int, now: datetime = NOW) -> list[str]:
    return [refusal.code for refusal in lasting_refusals(who, rating, now, RULES)]


@pytest.mark.parametrize("level", range(1, 6))
@pytest.mark.parametrize("rating", range(1, 6))
def test_a_customer_buys_up_to_their_own_level(level: int, rating: int) -> None:
    expected = [] if rating <= level else ["risk_mismatch"]
    assert codes(customer(risk_tolerance=level), rating) == expected
    assert (f"C{level}" in suitable_levels(rating)) == (rating <= level)


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (None, ["not_assessed"]),
        (customer(risk_tolerance=None, assessed_at=None), ["not_assessed"]),
        (customer(assessed_at=NOW - timedelta(days=366)), ["assessment_expired"]),
        (customer(assessed_at=NOW.replace(year=2025)), ["assessment_expired"]),
        (customer(assessed_at=NOW.replace(year=2025) + timedelta(seconds=1)), []),
        (customer(birth_date=date(2008, 11, 24)), ["minor"]),
        (customer(birth_date=date(2008, 11, 23)), []),
        (customer(birth_date=date(2015, 1, 1), risk_tolerance=1), ["minor", "risk_mismatch"]),
    ],
)
def test_each_lasting_refusal(who: Customer | None, expected: list[str]) -> None:
    assert codes(who, 2) == expected


def test_age_turns_with_the_banks_own_day() -> None:
    late_evening_utc = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)  # half past midnight in Shanghai
    assert business_date(late_evening_utc, RULES) == date(2026, 11, 23)
    assert codes(customer(birth_date=date(2008, 11, 23)), 2, late_evening_utc) == []


def test_who_was_born_on_a_leap_day_ages_on_the_first_of_march() -> None:
    assert age_on(date(2026, 2, 28), date(2008, 2, 29)) == 17
    assert age_on(date(2026, 3, 1), date(2008, 2, 29)) == 18


@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)))
def test_an_assessment_holds_about_a_year_whatever_its_day(at: datetime) -> None:
    held = assessed_until(at, RULES) - at
    assert timedelta(days=365) <= held <= timedelta(days=366)


def test_an_assessment_of_a_leap_day_ends_with_february() -> None:
    assert assessed_until(datetime(2024, 2, 29), RULES) == datetime(2025, 2, 28)


@pytest.mark.parametrize(
    ("birth", "rating", "read_hours_ago", "refused"),
    [
        (date(1961, 11, 23), 4, None, True),
        (date(1961, 11, 24), 4, None, False),
        (date(1955, 1, 1), 3, None, False),
        (date(1955, 1, 1), 4, 23.99, True),
        (date(1955, 1, 1), 5, 24, False),
    ],
)
def test_seniors_wait_a_day_above_r3(birth: date, rating: int, read_hours_ago: float | None, refused: bool) -> None:
    who = customer(birth_date=birth, risk_tolerance=5)
    until = None if read_hours_ago is None else NOW - timedelta(hours=read_hours_ago) + RULES.senior_wait
    refusal = senior_refusal(who, rating, until, NOW, RULES)
    assert (refusal is not None) == refused
    assert refusal is None or refusal.code == "senior_wait"


def test_only_seniors_above_r3_read_the_extra_disclosure() -> None:
    assert needs_extra_disclosure(SENIOR, 4, NOW, RULES)
    assert not needs_extra_disclosure(SENIOR, 3, NOW, RULES)
    assert not needs_extra_disclosure(customer(), 5, NOW, RULES)


@pytest.mark.parametrize(
    ("means", "invested", "refused"),
    [
        (None, 10**12, False),
        (Money(300, "CNY"), 199, False),
        (Money(300, "CNY"), 200, False),
        (Money(300, "CNY"), 201, True),
        (Money(1, "USD"), 201, False),
    ],
)
def test_declared_means_bound_what_is_invested_in_all(means: Money | None, invested: int, refused: bool) -> None:
    refusal = means_refusal(customer(declared_means=means), invested, Money(100, "CNY"))
    assert (refusal is not None) == refused
