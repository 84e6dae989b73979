"""Taking the questionnaire: what holds at once, what waits for a yes, and how often."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from commerce.assessment import AssessmentView
from commerce.errors import CommerceError
from tests.commerce.bank import Bank
from tests.commerce.test_questionnaire import BOLD, SHIPPED

UPGRADE = Path("server/migrations/20261201035500_lower_level_binds.sql").read_text().split("-- migrate:down")[0]
CAUTIOUS = BOLD | {"loss": "b"}  # C3
TIMID = BOLD | {"source": "a"}  # C2


async def take(bank: Bank, answers: dict[str, str], key: str) -> AssessmentView:
    return await bank.service.assessments.take("ac_ann", SHIPPED.version, answers, key)


async def level(bank: Bank) -> str | None:
    return (await bank.service.assessments.standing("ac_ann")).risk_tolerance


async def test_a_first_assessment_opens_the_gate_at_once(bank: Bank) -> None:
    await bank.open_shop()
    await bank.add_customer(risk_tolerance=None, assessed_at=None)
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert [refusal.code for refusal in gate.refusals] == ["not_assessed"]
    taken = await take(bank, CAUTIOUS, "k1")
    assert (taken.risk_tolerance, taken.previous_tolerance, taken.in_force) == ("C3", None, True)
    assert (await bank.service.gate.check("bc_a", "pr_a", "ac_ann")).allowed
    version = await bank.pool.fetchval("SELECT questionnaire_version FROM customers")
    assert version == SHIPPED.version


async def test_a_higher_level_holds_only_once_it_is_confirmed(bank: Bank) -> None:
    await bank.add_customer()  # C3
    taken = await take(bank, BOLD, "k1")
    assert (taken.risk_tolerance, taken.previous_tolerance, taken.in_force) == ("C5", "C3", False)
    assert await level(bank) == "C3"
    standing = await bank.service.assessments.standing("ac_ann")
    assert standing.unconfirmed == taken
    for _ in range(2):
        confirmed = await bank.service.assessments.confirm("ac_ann", taken.assessment_id)
        assert confirmed.in_force
    assert await level(bank) == "C5"
    assert (await bank.service.assessments.standing("ac_ann")).unconfirmed is None


async def test_a_lower_level_protects_at_once_and_is_confirmed_all_the_same(bank: Bank) -> None:
    await bank.open_shop(issuer_rating="R3")
    reserved = await bank.reserved()
    taken = await take(bank, TIMID, "a1")  # C3 → C2
    assert (taken.risk_tolerance, taken.previous_tolerance) == ("C2", "C3")
    assert (taken.in_force, taken.confirmed) == (True, False)
    assert await level(bank) == "C2"
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert [refusal.code for refusal in gate.refusals] == ["risk_mismatch"]
    with pytest.raises(CommerceError, match="risk_mismatch"):
        await bank.service.sale.submit("ac_ann", reserved.order_id, "k1")  # what was reserved before as well
    assert (await bank.service.assessments.standing("ac_ann")).unconfirmed == taken
    confirmed = await bank.service.assessments.confirm("ac_ann", taken.assessment_id)
    assert (confirmed.in_force, confirmed.confirmed) == (True, True)
    assert (await bank.service.assessments.standing("ac_ann")).unconfirmed is None
    assert await level(bank) == "C2"


async def test_the_way_back_up_from_an_unconfirmed_lower_level_takes_a_yes(bank: Bank) -> None:
    await bank.add_customer()
    await take(bank, TIMID, "a1")
    again = await take(bank, CAUTIOUS, "a2")
    assert (again.risk_tolerance, again.previous_tolerance, again.in_force) == ("C3", "C2", False)
    assert await level(bank) == "C2"


async def test_an_unconfirmed_higher_level_is_forgotten_when_a_lower_one_is_found(bank: Bank) -> None:
    await bank.add_customer()
    higher = await take(bank, BOLD, "a1")
    await take(bank, TIMID, "a2")
    assert await level(bank) == "C2"
    with pytest.raises(CommerceError, match="assessment_superseded"):
        await bank.service.assessments.confirm("ac_ann", higher.assessment_id)
    assert await level(bank) == "C2"


async def test_the_upgrade_lowers_who_was_left_waiting_to_confirm_a_lower_level(bank: Bank) -> None:
    await bank.add_customer()
    await bank.add_customer("ac_bob")
    await take(bank, TIMID, "a1")
    await bank.service.assessments.take("ac_bob", SHIPPED.version, BOLD, "a1")
    # As the version before left it: found, and not in force.
    await bank.pool.execute("UPDATE customers SET risk_tolerance = 3, assessed_at = assessed_at - interval '1 day'")
    await bank.pool.execute(UPGRADE)
    rows = await bank.pool.fetch("SELECT customer_id, risk_tolerance FROM customers ORDER BY 1")
    assert [tuple(row) for row in rows] == [("ac_ann", 2), ("ac_bob", 3)]


async def test_an_expired_level_that_is_found_again_is_renewed_without_asking(bank: Bank) -> None:
    await bank.add_customer()
    bank.clock.advance(days=400)
    assert (await bank.service.assessments.standing("ac_ann")).expired
    assert (await take(bank, CAUTIOUS, "k1")).in_force
    assert not (await bank.service.assessments.standing("ac_ann")).expired


async def test_only_the_latest_assessment_can_be_confirmed_and_only_by_its_customer(bank: Bank) -> None:
    await bank.add_customer()
    await bank.add_customer("ac_bob")
    first = await take(bank, BOLD, "k1")
    second = await take(bank, BOLD | {"source": "a"}, "k2")
    with pytest.raises(CommerceError, match="assessment_superseded"):
        await bank.service.assessments.confirm("ac_ann", first.assessment_id)
    with pytest.raises(CommerceError, match="no_such_assessment"):
        await bank.service.assessments.confirm("ac_bob", second.assessment_id)
    assert (await bank.service.assessments.confirm("ac_ann", second.assessment_id)).risk_tolerance == "C2"


async def test_the_third_of_a_day_is_refused_until_midnight_in_shanghai(bank: Bank) -> None:
    await bank.add_customer()  # 10:00 in Shanghai
    await take(bank, CAUTIOUS, "k1")
    await take(bank, CAUTIOUS, "k2")
    with pytest.raises(CommerceError, match="assessment_limit"):
        await take(bank, CAUTIOUS, "k3")
    bank.clock.advance(hours=13, minutes=59)
    with pytest.raises(CommerceError, match="assessment_limit"):
        await take(bank, CAUTIOUS, "k3")
    bank.clock.advance(minutes=1)
    assert (await take(bank, CAUTIOUS, "k3")).in_force  # it was not now, hence not final for its key


async def test_many_at_once_are_no_more_than_two(bank: Bank) -> None:
    await bank.add_customer()
    results = await asyncio.gather(*(take(bank, CAUTIOUS, f"k{n}") for n in range(6)), return_exceptions=True)
    assert sum(isinstance(result, AssessmentView) for result in results) == 2
    assert await bank.pool.fetchval("SELECT count(*) FROM assessments") == 2


async def test_a_repeat_of_the_key_is_not_another_assessment(bank: Bank) -> None:
    await bank.add_customer()
    assert await take(bank, CAUTIOUS, "k1") == await take(bank, CAUTIOUS, "k1")
    assert (await bank.service.assessments.standing("ac_ann")).left_today == 1
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await take(bank, BOLD, "k1")


async def test_minors_and_strangers_are_not_assessed(bank: Bank) -> None:
    await bank.add_customer(birth_date=date(2010, 1, 1))
    with pytest.raises(CommerceError, match="minor"):
        await take(bank, CAUTIOUS, "k1")
    with pytest.raises(CommerceError, match="no_such_customer"):
        await bank.service.assessments.take("ac_nobody", SHIPPED.version, CAUTIOUS, "k1")


async def test_the_questions_are_shown_without_their_scoring(bank: Bank) -> None:
    shown = bank.service.assessments.questions()
    assert [question.id for question in shown.questions] == list(BOLD)
    assert all(set(option.__struct_fields__) == {"id", "text"} for q in shown.questions for option in q.options)
