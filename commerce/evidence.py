"""The evidence of a sale: what is recorded of which move, its canonical bytes, hashes, chain and retention. Pure.

A record's canonical form is JSON in UTF-8 with sorted keys and no blanks, times in UTC (RFC 3339); its hash is the
SHA-256 of these bytes. Personal data does not stand in it: the record names the SHA-256 of a salted text that is kept
sealed, so that keys may change without the record, and the hash tells nothing about the person.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

import msgspec
from msgspec.structs import replace

from commerce.dates import months_later
from commerce.order import Order, OrderMoved, State
from commerce.ports import BroadcastFacts
from commerce.product import CardContent, CardVersion
from commerce.purchase import ExtraReading, KeptReading
from commerce.suitability import SHANGHAI, Customer, SuitabilityRules, age_on

GENESIS = bytes(32)  # what the first link follows
_AFTER_PRODUCT_END_MONTHS = 6
_ENDS = frozenset(
    {State.ACCEPTED, State.REJECTED, State.CONFIRMED, State.PARTIALLY_CONFIRMED, State.CONFIRM_FAILED, State.REFUNDED}
)


class ReadDocument(msgspec.Struct, frozen=True):
    """A document that was opened before the acknowledgement, as it then was."""

    document_id: str
    sha256: str


class SeniorRule(msgspec.Struct, frozen=True):
    """From which age on a product above this rating takes the extra disclosure and this wait."""

    age: int
    free_up_to: str
    wait_s: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one move of an order; rates and levels are those of the order, the rest as of the move.

    Records of format 1 have neither `assessment_id` nor what concerns the senior rule, and their `assessed_at` and
    `questionnaire_version` are the customer's of the move.
    """

    format: int = 2
    order_id: str
    step: int
    outcome: str
    reason: str | None
    at: datetime
    retain_until: date
    customer_id: str
    personal_sha256: str
    risk_tolerance: str
    assessment_id: str | None = None
    assessed_at: datetime | None
    questionnaire_version: str | None
    relationship_manager_id: str | None
    branch: str | None
    product_id: str
    product_name: str
    issuer: str
    seller_role: str
    card_version: int
    risk_rating: str
    amount_minor: int
    currency: str
    fee_minor: int
    confirmed_units_minor: int | None
    disclosure_text: str
    disclosure_sha256: str
    acknowledgement_id: str
    acknowledgement_method: str
    acknowledgement_text: str
    acknowledged_at: datetime
    acknowledged_stream_time_ms: int | None
    dwell_ms: int
    documents: tuple[ReadDocument, ...]
    senior_rule: SeniorRule | None = None
    extra_disclosure: ExtraReading | None = None
    broadcast_id: str
    broadcast_title: str
    showing_id: str
    host_id: str
    host_name: str
    licence_no: str
    recording_id: str | None
    reserved_at: datetime
    reserved_stream_time_ms: int | None
    stream_time_ms: int | None
    core_reference: str | None


class PersonalEvidence(msgspec.Struct, frozen=True):
    """Who the customer was, as the bank knew them at the move; `salt` is 16 random bytes."""

    salt: bytes
    name: str
    birth_date: date


@dataclass(frozen=True, slots=True)
class DecidedBy:
    """Where an order's level came from: the assessment, or the bank's own record (without an id)."""

    assessment_id: str | None
    assessed_at: datetime | None
    questionnaire_version: str | None


@dataclass(frozen=True, slots=True)
class SaleFile:
    """What is on record beside an order: read once, for receipt and evidence."""

    customer: Customer
    decided_by: DecidedBy
    card: CardVersion
    reading: KeptReading
    extra: ExtraReading | None


def assessed_at_of(order: Order, customer: Customer) -> datetime | None:
    """When the level was found that an order was decided by; None where that cannot be known any more.

    Orders of before it was kept are taken by the customer's record, if that can have been the same then.
    """
    if order.assessed_at is not None or customer.assessed_at is None:
        return order.assessed_at
    the_same = customer.risk_tolerance == order.risk_tolerance and customer.assessed_at <= order.created_at
    return customer.assessed_at if the_same else None


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How long evidence is kept at least; a deployment's profile may ask for more, and so may a legal hold."""

    sale_years: int = 20
    hold_until: date | None = None


def is_evidence(moved: OrderMoved) -> bool:
    """Say whether this move is recorded: the core's answer to a submission, what followed, and a taken-back sale."""
    if moved.from_state is State.SUBMITTED and moved.to_state is State.RESERVED:
        return True
    if moved.to_state is State.CANCELLED:
        return moved.from_state is State.ACCEPTED
    return moved.to_state in _ENDS and moved.to_state is not moved.from_state


def outcome_of(moved: OrderMoved) -> str:
    """Name the move's result: the state it led to, or `refused` when the core refused and the reservation stands."""
    return "refused" if moved.to_state is State.RESERVED else moved.to_state.value


def product_ends_on(terms: CardContent, zone: tzinfo) -> date:
    """The day a product is over at the earliest: its window's end and, where it has one, its term after that."""
    closes = terms.window_closes_at.astimezone(zone).date()
    return date.fromordinal(closes.toordinal() + (terms.term_days or 0))


def retain_until(recorded: date, product_ends: date | None, rules: RetentionRules) -> date:
    """`max(profile years, product end + 6 months, legal hold)`, domain.md's rule, as a calendar day."""
    days = [months_later(recorded, 12 * rules.sale_years)]
    if product_ends is not None:
        days.append(months_later(product_ends, _AFTER_PRODUCT_END_MONTHS))
    if rules.hold_until is not None:
        days.append(rules.hold_until)
    return max(days)


def evidence_of(
    order: Order, moved: OrderMoved, step: int, file: SaleFile, facts: BroadcastFacts, personal_sha256: str, keep: date,
    rules: SuitabilityRules,
) -> Evidence:  # fmt: skip
    """Put the record together."""
    customer, card, reading, decided_by = file.customer, file.card, file.reading, file.decided_by
    return Evidence(
        order_id=order.order_id,
        step=step,
        outcome=outcome_of(moved),
        reason=moved.reason,
        at=_utc(moved.at),
        retain_until=keep,
        customer_id=order.customer_id,
        personal_sha256=personal_sha256,
        risk_tolerance=f"C{order.risk_tolerance}",
        assessment_id=decided_by.assessment_id,
        assessed_at=None if decided_by.assessed_at is None else _utc(decided_by.assessed_at),
        questionnaire_version=decided_by.questionnaire_version,
        relationship_manager_id=customer.relationship_manager_id,
        branch=customer.branch,
        product_id=order.product_id,
        product_name=card.content.name,
        issuer=card.content.issuer,
        seller_role=card.content.seller_role,
        card_version=order.card_version,
        risk_rating=f"R{order.risk_rating}",
        amount_minor=order.amount.amount_minor,
        currency=order.amount.currency,
        fee_minor=order.fee_minor,
        confirmed_units_minor=order.confirmed_units_minor,
        disclosure_text=card.content.disclosure_text,
        disclosure_sha256=card.disclosure_sha256,
        acknowledgement_id=order.acknowledgement_id,
        acknowledgement_method=reading.acknowledgement.method,
        acknowledgement_text=reading.acknowledgement.typed_text,
        acknowledged_at=_utc(reading.acknowledgement.acknowledged_at),
        acknowledged_stream_time_ms=reading.stream_time_ms,
        dwell_ms=reading.dwell_ms,
        documents=tuple(ReadDocument(document_id, sha256) for document_id, sha256 in reading.documents),
        senior_rule=SeniorRule(
            rules.senior_age, f"R{rules.senior_free_up_to_rating}", int(rules.senior_wait.total_seconds())
        ),
        extra_disclosure=None if file.extra is None else _in_utc(file.extra),
        broadcast_id=order.broadcast_id,
        broadcast_title=facts.title,
        showing_id=order.showing_id,
        host_id=facts.host_id,
        host_name=facts.host_name,
        licence_no=facts.licence_no,
        recording_id=facts.recording_id,
        reserved_at=_utc(order.created_at),
        reserved_stream_time_ms=order.stream_time_ms,
        stream_time_ms=facts.stream_time_ms,
        core_reference=order.core_reference,
    )


def senior_rule_met(record: Evidence, birth_date: date, zone: tzinfo = SHANGHAI) -> bool:
    """Say whether an accepted order kept the senior rule as its record states it; of other records nothing is said.

    What follows on acceptance is recorded days later, under the rule of that day.
    """
    rule, extra = record.senior_rule, record.extra_disclosure
    if rule is None or record.outcome != State.ACCEPTED.value:
        return True
    age = age_on(record.reserved_at.astimezone(zone).date(), birth_date)
    if age < rule.age or record.risk_rating <= rule.free_up_to:
        return True
    return extra is not None and record.reserved_at >= extra.orderable_from


def canonical(value: msgspec.Struct) -> bytes:
    """Write a record as the bytes that are hashed."""
    return msgspec.json.encode(value, order="sorted")


def link(previous: bytes, position: int, day: date, evidence_id: str, record_sha256: bytes) -> bytes:
    """Hash one link: over the link before, its place, and the record it stands for."""
    place = f"{position} {day.isoformat()} {evidence_id} ".encode()
    return hashlib.sha256(previous + place + record_sha256).digest()


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain as it is stored."""

    position: int
    day: date
    evidence_id: str
    record_sha256: bytes
    link_sha256: bytes


def links_after(head: Link | None, day: date, records: Iterable[tuple[str, bytes]]) -> list[Link]:
    """Chain records (id, hash) in their order behind a head; a day never goes back, whatever a clock says."""
    previous = GENESIS if head is None else head.link_sha256
    position = 0 if head is None else head.position
    day = day if head is None else max(day, head.day)
    links = []
    for evidence_id, record_sha256 in records:
        position += 1
        previous = link(previous, position, day, evidence_id, record_sha256)
        links.append(Link(position, day, evidence_id, record_sha256, previous))
    return links


def _in_utc(extra: ExtraReading) -> ExtraReading:
    return replace(extra, acknowledged_at=_utc(extra.acknowledged_at), orderable_from=_utc(extra.orderable_from))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
