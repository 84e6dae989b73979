"""What an order was decided by stands in its evidence: the assessment, and the senior rule with its wait."""

import json
from dataclasses import replace
from datetime import date, timedelta

import asyncpg
import pytest

from commerce.audit_evidence import audit_records
from commerce.audit_postgres import audit
from commerce.errors import Refusal
from commerce.purchase import extra_disclosure_text
from tests.commerce.bank import ENVELOPES, NOW, Bank
from tests.commerce.test_assessment import CAUTIOUS, take
from tests.commerce.test_audit import damage
from tests.commerce.test_evidence import codes, records
from tests.commerce.test_questionnaire import BOLD, SHIPPED

BORN = date(1955, 1, 1)


async def test_evidence_names_the_assessment_that_the_order_was_decided_by_and_not_a_later_one(bank: Bank) -> None:
    await bank.open_shop()
    first = await take(bank, CAUTIOUS, "a1")  # C3 again
    bank.clock.advance(minutes=1)
    order = await bank.reserved()
    bank.clock.advance(minutes=1)
    later = await take(bank, BOLD, "a2")
    await bank.service.assessments.confirm("ac_ann", later.assessment_id)
    await bank.service.sale.submit("ac_ann", order.order_id, "k1")
    (record,) = await records(bank.pool)
    assert (record["risk_tolerance"], record["assessment_id"]) == ("C3", first.assessment_id)
    assert (record["assessed_at"], record["questionnaire_version"]) == ("2026-11-23T02:00:00Z", SHIPPED.version)


async def test_a_level_of_the_banks_own_keeps_its_date_whatever_is_found_later(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    later = await take(bank, BOLD, "a1")
    await bank.service.assessments.confirm("ac_ann", later.assessment_id)
    await bank.service.sale.submit("ac_ann", order.order_id, "k1")
    (record,) = await records(bank.pool)
    assert (record["risk_tolerance"], record["assessment_id"], record["questionnaire_version"]) == ("C3", None, None)
    assert record["assessed_at"] == (NOW - timedelta(days=30)).isoformat().replace("+00:00", "Z")


async def test_an_order_that_the_version_before_reserved_names_no_assessment_of_after_it(bank: Bank) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    await damage(bank.pool, "UPDATE orders SET assessed_at = NULL")
    bank.clock.advance(minutes=1)
    later = await take(bank, BOLD, "a1")
    await bank.service.assessments.confirm("ac_ann", later.assessment_id)
    await bank.service.sale.submit("ac_ann", order.order_id, "k1")
    (record,) = await records(bank.pool)
    assert (record["risk_tolerance"], record["assessment_id"], record["assessed_at"]) == ("C3", None, None)


async def test_what_an_order_was_decided_by_never_changes(bank: Bank) -> None:
    await bank.open_shop()
    await bank.reserved()
    with pytest.raises(asyncpg.RestrictViolationError):
        await bank.pool.execute("UPDATE orders SET assessed_at = now()")


async def senior_order(bank: Bank) -> None:
    """An order of somebody of 71 for a product of R4, a day after the extra disclosure."""
    await bank.open_shop(issuer_rating="R4")
    await bank.add_customer(birth_date=BORN, risk_tolerance=5)
    reading = replace(await bank.reading(), extra_disclosure_read=True)
    await bank.service.gate.acknowledge("ac_ann", reading)
    bank.clock.advance(hours=24)
    await bank.accepted()
    await bank.service.sequencer.link_all()


async def test_evidence_holds_the_extra_disclosure_with_its_text_its_time_and_its_wait(bank: Bank) -> None:
    await senior_order(bank)
    (record,) = await records(bank.pool)
    extra = record["extra_disclosure"]
    assert isinstance(extra, dict)
    assert extra["text"] == extra_disclosure_text(timedelta(hours=24))
    assert (extra["acknowledged_at"], extra["orderable_from"]) == ("2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z")
    assert extra["acknowledgement_id"] != record["acknowledgement_id"], "the wait began with the first reading"
    assert record["senior_rule"] == {"age": 65, "free_up_to": "R3", "wait_s": 86_400}
    assert await codes(bank) == set()


async def test_who_is_not_a_senior_has_no_extra_disclosure_in_the_record(bank: Bank) -> None:
    await bank.open_shop()
    await bank.accepted()
    (record,) = await records(bank.pool)
    assert record["extra_disclosure"] is None
    assert await codes(bank) == set()


async def test_the_wait_ends_when_it_was_said_to_whatever_the_rule_becomes(bank: Bank) -> None:
    await bank.open_shop(issuer_rating="R4")
    await bank.add_customer(birth_date=BORN, risk_tolerance=5)
    await bank.service.gate.acknowledge("ac_ann", replace(await bank.reading(), extra_disclosure_read=True))
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert gate.extra_disclosure is not None
    assert gate.extra_disclosure.orderable_from == NOW + timedelta(hours=24)
    bank.clock.advance(hours=23, minutes=59)
    with pytest.raises(Refusal, match="senior_wait"):
        await bank.reserved()
    bank.clock.advance(minutes=1)
    await bank.reserved(key="k2")


async def test_an_extra_disclosure_is_never_changed_or_taken_away(bank: Bank) -> None:
    await senior_order(bank)
    for statement in (
        "UPDATE extra_disclosures SET acknowledged_at = acknowledged_at - interval '1 day'",
        "DELETE FROM extra_disclosures", "TRUNCATE extra_disclosures",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RestrictViolationError):
            await bank.pool.execute(statement)


_REWRITTEN = (
    "UPDATE sale_evidence SET record = convert_to(replace(convert_from(record, 'UTF8'), '{0}', '{1}'), 'UTF8'),"
    " record_sha256 = sha256(convert_to(replace(convert_from(record, 'UTF8'), '{0}', '{1}'), 'UTF8'));"
    " DELETE FROM evidence_links; INSERT INTO evidence_unlinked SELECT evidence_id FROM sale_evidence"
)
_MISSING = (
    "UPDATE sale_evidence SET record = r.record, record_sha256 = sha256(r.record) FROM (SELECT convert_to("
    "regexp_replace(convert_from(record, 'UTF8'), '\"extra_disclosure\":{[^}]*}', '\"extra_disclosure\":null'), 'UTF8')"
    " AS record FROM sale_evidence) r; DELETE FROM evidence_links;"
    " INSERT INTO evidence_unlinked SELECT evidence_id FROM sale_evidence"
)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM extra_disclosures", {"extra_disclosure_differs"}),
        ("UPDATE extra_disclosures SET acknowledged_at = acknowledged_at - interval '1 day'",
         {"extra_disclosure_differs"}),
        ("UPDATE extra_disclosures SET text = 'x'", {"extra_disclosure_broken"}),
        ("UPDATE extra_disclosures SET acknowledgement_id = 'ak_none'",
         {"extra_disclosure_differs", "extra_disclosure_broken"}),
        (_MISSING, {"senior_wait_unmet", "extra_disclosure_differs"}),
        (_REWRITTEN.format('"orderable_from":"2026-11-24', '"orderable_from":"2026-11-25'),
         {"senior_wait_unmet", "extra_disclosure_differs"}),
        (_REWRITTEN.format('"assessed_at":"2026-10-24', '"assessed_at":"2026-11-24'), {"evidence_order_differs"}),
    ],
)  # fmt: skip
async def test_the_audit_finds_what_is_not_as_it_was_decided(bank: Bank, statement: str, expected: set[str]) -> None:
    await senior_order(bank)
    await damage(bank.pool, *statement.split("; "))
    await bank.service.sequencer.link_all()
    assert await codes(bank) == expected


async def test_a_record_of_the_version_before_is_read_as_it_was(bank: Bank) -> None:
    """It has none of the fields that came since, and no rule to be held to."""
    await bank.open_shop()
    await bank.accepted()
    row = await bank.pool.fetchrow("SELECT record FROM sale_evidence")
    old = {**json.loads(row["record"]), "format": 1}
    for field in ("assessment_id", "extra_disclosure", "senior_rule"):
        del old[field]
    await damage(
        bank.pool,
        "ALTER TABLE sale_evidence DROP CONSTRAINT sale_evidence_check",
        f"UPDATE sale_evidence SET record = convert_to('{json.dumps(old, ensure_ascii=False)}', 'UTF8')",
        "UPDATE sale_evidence SET record_sha256 = sha256(record)",
    )
    assert await audit(bank.pool) == []
    assert await audit_records(bank.pool, ENVELOPES) == []
