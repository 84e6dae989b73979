"""Writes an order's evidence in the order's own transaction. Does I/O through the unit; draws the salt."""

import hashlib
import secrets

from commerce.dependencies import Dependencies
from commerce.evidence import (
    DecidedBy,
    PersonalEvidence,
    SaleFile,
    assessed_at_of,
    canonical,
    evidence_of,
    is_evidence,
    outcome_of,
    product_ends_on,
    retain_until,
)
from commerce.evidence_postgres import EvidenceRow
from commerce.order import Decision, Order
from commerce.ports import BroadcastFacts
from commerce.receipt import Receipt
from commerce.suitability import Customer, business_date
from commerce.uow_postgres import Unit

_SALT_BYTES = 16


async def read_file(unit: Unit, order: Order) -> SaleFile:
    """Read what is on record beside an order."""
    customer = await unit.customers.read(order.customer_id)
    reading = await unit.customers.kept_reading(order.acknowledgement_id)
    card = await unit.catalogue.card(order.product_id, order.card_version)
    extra = await unit.customers.extra_reading(order.customer_id, order.product_id, order.card_version)
    assert customer is not None and reading is not None and card is not None, "an order has these"  # noqa: PT018
    return SaleFile(customer, await _decided_by(unit, order, customer), card, reading, extra)


async def _decided_by(unit: Unit, order: Order, customer: Customer) -> DecidedBy:
    at = assessed_at_of(order, customer)
    taken = None if at is None else await unit.assessments.found_at(order.customer_id, at, order.risk_tolerance)
    if taken is not None:
        return DecidedBy(taken.assessment_id, at, taken.questionnaire_version)
    return DecidedBy(None, at, customer.questionnaire_version if at == customer.assessed_at else None)


async def save_witnessed(
    given: Dependencies, unit: Unit, decision: Decision, facts: BroadcastFacts, *,
    file: SaleFile | None = None, receipt: Receipt | None = None,
) -> None:  # fmt: skip
    """Save an order's move and, where that is evidence, its record, in the caller's transaction."""
    step = await unit.orders.save(decision, facts.stream_time_ms, receipt)
    if not is_evidence(decision.moved):
        return
    file = file or await read_file(unit, decision.order)
    await unit.evidence.add(_row(given, unit, decision, step, file, facts))


def _row(
    given: Dependencies, unit: Unit, decision: Decision, step: int, file: SaleFile, facts: BroadcastFacts
) -> EvidenceRow:
    order, moved = decision.order, decision.moved
    evidence_id = given.new_id("ev")
    rules = given.settings.suitability
    keep = retain_until(
        business_date(moved.at, rules), product_ends_on(file.card.content, rules.business_zone),
        given.settings.retention,
    )  # fmt: skip
    salt = secrets.token_bytes(_SALT_BYTES)
    personal = canonical(PersonalEvidence(salt, file.customer.masked_name, file.customer.birth_date))
    evidence = evidence_of(order, moved, step, file, facts, hashlib.sha256(personal).hexdigest(), keep, rules)
    record = canonical(evidence)
    return EvidenceRow(
        evidence_id, order.order_id, step, outcome_of(moved), moved.at, keep, record,
        hashlib.sha256(record).digest(), unit.envelopes.seal(personal, f"sale_evidence.personal {evidence_id}"),
    )  # fmt: skip
