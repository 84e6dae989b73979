"""What a deployment sets of the sale arrives there; what it does not set is as domain.md has it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from commerce.errors import Refusal
from commerce.evidence import RetentionRules
from commerce.questionnaire import AssessmentRules
from commerce.settings import CommerceSettings
from commerce.suitability import SuitabilityRules
from server.sale_rules import commerce_settings
from server.settings import SettingsError, load_settings
from tests.commerce.bank import NOW, Bank
from tests.server.test_settings import GOOD

SHIPPED = CommerceSettings(reauthentication_within_s=300)  # who hands an order in proves who they are


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_what_nobody_sets_is_as_shipped_with_identity_proved_before_an_order(environment: pytest.MonkeyPatch) -> None:
    assert commerce_settings(load_settings()) == SHIPPED


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RESERVATION_TTL_S", "180", {"reservation_ttl_s": 180}),
        ("REAUTHENTICATION_WITHIN_S", "0", {"reauthentication_within_s": None}),
        ("ACKNOWLEDGEMENT_TTL_S", "3600", {"acknowledgement_ttl_s": 3_600}),
        ("CANCEL_CLOSES_BEFORE_S", "7200", {"cancel_closes_before_s": 7_200}),
        ("DAILY_TIP_CAP_POINTS", "0", {"daily_tip_cap_points": 0}),
        ("QUOTA_GRANULARITY_MINOR", "1", {"quota_granularity_minor": 1}),
        ("ASSESSMENTS_A_DAY", "1", {"assessments": AssessmentRules(1, 8)}),
        ("ASSESSMENTS_A_YEAR", "4", {"assessments": AssessmentRules(2, 4)}),
        ("SENIOR_AGE", "60", {"suitability": SuitabilityRules(senior_age=60)}),
        ("SENIOR_FREE_UP_TO_RATING", "2", {"suitability": SuitabilityRules(senior_free_up_to_rating=2)}),
        ("SENIOR_WAIT_H", "48", {"suitability": SuitabilityRules(senior_wait=timedelta(hours=48))}),
        ("ASSESSMENT_VALID_MONTHS", "6", {"suitability": SuitabilityRules(assessment_valid_months=6)}),
        ("BUSINESS_ZONE", "Asia/Tokyo", {"suitability": SuitabilityRules(business_zone=ZoneInfo("Asia/Tokyo"))}),
        ("EVIDENCE_RETENTION_YEARS", "30", {"retention": RetentionRules(30)}),
    ],
)
def test_what_is_set_arrives(environment: pytest.MonkeyPatch, name: str, value: str, expected: dict[str, Any]) -> None:
    environment.setenv(f"WEALTHCAST_{name}", value)
    assert commerce_settings(load_settings()) == replace(SHIPPED, **expected)


@pytest.mark.parametrize(("name", "value"), [("BUSINESS_ZONE", "Mars/Olympus"), ("CORE_BANKING", "no adapter")])
def test_what_cannot_be_is_refused_by_name(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"WEALTHCAST_{name}", value)
    with pytest.raises(SettingsError, match=name.lower()):
        load_settings()


async def test_cancelling_ends_so_long_before_the_window_as_is_set(pool: asyncpg.Pool) -> None:
    bank = Bank(pool, CommerceSettings(cancel_closes_before_s=7_200))
    await bank.open_shop(window_closes_at=NOW + timedelta(hours=10))
    first, second = await bank.accepted(key="k1"), await bank.accepted(key="k2")
    bank.clock.advance(hours=8, seconds=-1)
    assert (await bank.service.sale.cancel("ac_ann", first.order_id, "c1")).state == "cancelled"
    bank.clock.advance(seconds=1)
    with pytest.raises(Refusal, match="window_closed"):
        await bank.service.sale.cancel("ac_ann", second.order_id, "c2")


async def test_a_longer_wait_of_seniors_is_what_they_are_told_and_wait_for(pool: asyncpg.Pool) -> None:
    bank = Bank(pool, CommerceSettings(suitability=SuitabilityRules(senior_wait=timedelta(hours=48))))
    await bank.open_shop(issuer_rating="R4")
    await bank.add_customer(birth_date=date(1955, 1, 1), risk_tolerance=5)
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert gate.extra_disclosure is not None
    assert "48小时" in gate.extra_disclosure.text
