"""Who may buy what: the suitability rules as tables and pure functions.

Source: 《金融机构产品适当性管理办法》 (NFRA order 2025 no. 7): five levels, Art. 12 mismatch, Art. 19 minors,
Art. 29 questionnaire; the senior wait is practice, hence settings.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

import msgspec

from commerce.dates import months_later
from commerce.errors import Refusal
from commerce.money import Money

# C_k buys R_1 … R_k. The customer cannot override it.
HIGHEST_RATING_OF = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5}
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")  # no daylight saving since 1991: needs no zone database


@dataclass(frozen=True, slots=True)
class SuitabilityRules:
    """The numbers a compliance office may change."""

    adult_age: int = 18
    senior_age: int = 65
    senior_free_up_to_rating: int = 3
    senior_wait: timedelta = timedelta(hours=24)
    assessment_valid_months: int = 12
    business_zone: tzinfo = SHANGHAI


class Customer(msgspec.Struct, frozen=True):
    """What the sale knows of a customer; levels are 1–5, `declared_means` is None when nothing was declared.

    `questionnaire_version` is None where the level was not found here, but came from the bank's own records.
    """

    customer_id: str
    masked_name: str
    birth_date: date
    risk_tolerance: int | None
    assessed_at: datetime | None
    declared_means: Money | None
    relationship_manager_id: str | None = None
    branch: str | None = None
    questionnaire_version: str | None = None


def suitable_levels(risk_rating: int) -> tuple[str, ...]:
    """List the customer levels that may buy a product of this rating, lowest first."""
    return tuple(f"C{level}" for level, highest in HIGHEST_RATING_OF.items() if risk_rating <= highest)


def business_date(now: datetime, rules: SuitabilityRules) -> date:
    """The bank's calendar day at this moment."""
    return _date_in(rules.business_zone, now)


@lru_cache(maxsize=8)
def _date_in(zone: tzinfo, now: datetime) -> date:
    return now.astimezone(zone).date()  # asked several times of each order of a group, all at one moment


def age_on(day: date, birth_date: date) -> int:
    """Full years; who was born on 29 February ages on 1 March of common years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def is_adult(customer: Customer, now: datetime, rules: SuitabilityRules) -> bool:
    return age_on(business_date(now, rules), customer.birth_date) >= rules.adult_age


def assessed_until(assessed_at: datetime, rules: SuitabilityRules) -> datetime:
    """The end of an assessment's validity: the same day of the month, or that month's last day."""
    return months_later(assessed_at, rules.assessment_valid_months)


def needs_extra_disclosure(customer: Customer, risk_rating: int, now: datetime, rules: SuitabilityRules) -> bool:
    """Say whether the senior rule applies to this customer and rating."""
    senior = age_on(business_date(now, rules), customer.birth_date) >= rules.senior_age
    return senior and risk_rating > rules.senior_free_up_to_rating


def lasting_refusals(
    customer: Customer | None, risk_rating: int, now: datetime, rules: SuitabilityRules
) -> list[Refusal]:
    """List what stands against this customer and rating whatever they read or wait for; empty means nothing."""
    if customer is None:
        return [Refusal("not_assessed", "no risk assessment is on record: take the questionnaire first")]
    refusals = []
    if not is_adult(customer, now, rules):
        refusals.append(Refusal("minor", "only adults may buy"))
    if customer.risk_tolerance is None or customer.assessed_at is None:
        refusals.append(Refusal("not_assessed", "take the risk questionnaire first"))
        return refusals
    if now >= assessed_until(customer.assessed_at, rules):
        months = rules.assessment_valid_months
        refusals.append(Refusal("assessment_expired", f"the risk assessment is older than {months} months: renew it"))
    if risk_rating > HIGHEST_RATING_OF[customer.risk_tolerance]:
        detail = f"a product of level R{risk_rating} does not suit a customer of level C{customer.risk_tolerance}"
        refusals.append(Refusal("risk_mismatch", detail))
    return refusals


def senior_refusal(
    customer: Customer,
    risk_rating: int,
    orderable_from: datetime | None,
    now: datetime,
    rules: SuitabilityRules,
) -> Refusal | None:
    """Say whether the wait after the extra disclosure still runs, or has not begun (None)."""
    if not needs_extra_disclosure(customer, risk_rating, now, rules):
        return None
    hours = f"{rules.senior_wait.total_seconds() / 3600:g} hours"
    if orderable_from is None:
        return Refusal("senior_wait", f"read and acknowledge the extra disclosure; then orders open {hours} later")
    if now >= orderable_from:
        return None
    at = orderable_from.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Refusal("senior_wait", f"the wait after the extra disclosure ends at {at}", orderable_from=at)


def means_refusal(customer: Customer, invested_minor: int, amount: Money) -> Refusal | None:
    """Say whether this amount, beside what is invested already, exceeds the declared means.

    `invested_minor` is in the amount's currency; means declared in another currency are not compared.
    """
    means = customer.declared_means
    if means is None or means.currency != amount.currency:
        return None
    if invested_minor + amount.amount_minor <= means.amount_minor:
        return None
    return Refusal("unaffordable", "the amount exceeds the means that you declared")
