"""The decision for a group of reservations of one product, equal to deciding one by one in their order. Pure.

It has two steps, so that the quota's row is locked as briefly as possible: `screen` says what stands against each
request whatever the others get; `allot` then walks through them in arrival order with the customers' positions and
the quota, so that who does not fit is refused alone and smaller ones behind may pass. What was allotted on the
supposition of so much quota left stands if it would have been the same with what is found under the lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from commerce import order
from commerce.errors import CommerceError, Conflict, RecordUnreadable, Refusal, Unavailable
from commerce.idempotency import Answer
from commerce.money import Money, subscription_fee_minor
from commerce.order import Decision, Order, State
from commerce.ports import BroadcastFacts
from commerce.product import CardContent
from commerce.purchase import (
    Acknowledgement,
    OnStage,
    acknowledgement_refusal,
    limit_refusal,
    stage_refusal,
    supervision_refusal,
    terms_refusal,
    window_refusal,
)
from commerce.quota import quota_empty
from commerce.suitability import (
    Customer,
    SuitabilityRules,
    lasting_refusals,
    means_refusal,
    senior_refusal,
)


class Request(msgspec.Struct, frozen=True):
    """One customer's reserve command; `order_id` is its order's, should it become one. `trace` as a Fact's."""

    customer_id: str
    acknowledgement: Acknowledgement
    amount: Money
    key: str
    body_sha256: bytes
    order_id: str
    trace: str | None = None


class Buyer(msgspec.Struct, frozen=True):
    """What is on record of a customer: amounts held of this product, and invested in all of its currency.

    `has_position`: they held some of this product before, though it may be nothing now. `orderable_from`: when the wait
    after the extra disclosure ends, None of who has not read it. `unreadable`: their record does not open, so that
    `customer` is not known.
    """

    customer: Customer | None
    orderable_from: datetime | None
    held_minor: int
    invested_minor: int
    has_position: bool = False
    unreadable: RecordUnreadable | None = None


class StoredAnswer(msgspec.Struct, frozen=True):
    """What a key was used for, and its final answer."""

    body_sha256: bytes
    answer: Answer


@dataclass(frozen=True, slots=True)
class Stage:
    """A broadcast as it is at this moment, and its card."""

    facts: BroadcastFacts
    on_stage: OnStage | None


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a group needs, read under its locks; `buyers` and `stored` stand beside the requests."""

    requests: Sequence[Request]
    buyers: Sequence[Buyer]
    stored: Sequence[StoredAnswer | None]
    stages: Mapping[str, Stage | Unavailable]  # by broadcast; Unavailable where it could not be read


class Verdict(msgspec.Struct, frozen=True):
    """A new order, the answer that its key was given before, or a refusal.

    `is_new`: this request decided it, and it is its key's answer from now on.
    """

    outcome: Decision | Answer | CommerceError
    is_new: bool = False


def screen(reading: Reading, now: datetime, rules: SuitabilityRules) -> list[CommerceError | None]:
    """Say what stands against each request before quota and limits, in the order in which a customer hears of it."""
    of_place: dict[tuple[str, str, int], CommerceError | tuple[CardContent, int]] = {}
    found: list[CommerceError | None] = []
    for request, buyer in zip(reading.requests, reading.buyers, strict=True):
        acknowledgement = request.acknowledgement
        name = (acknowledgement.broadcast_id, acknowledgement.product_id, acknowledgement.card_version)
        place = of_place.get(name)
        if place is None:
            place = of_place[name] = _place(reading.stages[acknowledgement.broadcast_id], acknowledgement)
        refusal: CommerceError | None = acknowledgement_refusal(acknowledgement, request.customer_id, now)
        if refusal is None:
            refusal = _buyer_refusal(request, buyer, *place, now, rules) if isinstance(place, tuple) else place
        found.append(refusal)
    return found


def _place(stage: Stage | Unavailable, acknowledgement: Acknowledgement) -> CommerceError | tuple[CardContent, int]:
    """What all requests for one card on one stage have in common: what stands against them, or its terms and rating."""
    refusal = _stage_refusal(stage, acknowledgement)
    if refusal is not None:
        return refusal
    terms = _card_on(stage).card.content
    return terms, terms.risk_rating


def _stage_refusal(stage: Stage | Unavailable, acknowledgement: Acknowledgement) -> CommerceError | None:
    if isinstance(stage, Unavailable):
        return stage
    facts, product_id, version = stage.facts, acknowledgement.product_id, acknowledgement.card_version
    return stage_refusal(facts, stage.on_stage, product_id, version) or supervision_refusal(facts)


def _card_on(stage: Stage | Unavailable) -> OnStage:
    assert isinstance(stage, Stage) and stage.on_stage is not None, "an empty stage was refused"  # noqa: PT018
    return stage.on_stage


def _buyer_refusal(
    request: Request, buyer: Buyer, terms: CardContent, rating: int, now: datetime, rules: SuitabilityRules
) -> CommerceError | None:
    if buyer.unreadable is not None:
        return buyer.unreadable
    customer = buyer.customer
    if lasting := lasting_refusals(customer, rating, now, rules):
        return lasting[0]
    assert customer is not None, "an unknown customer was refused"
    return (
        senior_refusal(customer, rating, buyer.orderable_from, now, rules)
        or window_refusal(terms, now)
        or terms_refusal(terms, request.amount)
    )


def mismatched(reading: Reading, screened: Sequence[CommerceError | None]) -> set[tuple[str, str]]:
    """Name broadcast and customer of the requests that were refused because the product does not suit."""
    return {
        (request.acknowledgement.broadcast_id, request.customer_id)
        for request, refusal in zip(reading.requests, screened, strict=True)
        if refusal is not None and refusal.code == "risk_mismatch"
    }


@dataclass(frozen=True, slots=True)
class Allotment:
    """What a group gets out of so much quota left; the verdicts stand beside its requests."""

    left_minor: int
    verdicts: Sequence[Verdict]
    taken_minor: int
    all_fitted: bool  # nobody was refused for want of quota

    def stands(self, left_minor: int) -> bool:
        """Say whether the group, decided with this much left, is sure to have got the same."""
        return left_minor == self.left_minor or (self.all_fitted and self.taken_minor <= left_minor)


def allot(
    reading: Reading, screened: Sequence[CommerceError | None], left_minor: int, now: datetime, time_to_live: timedelta
) -> Allotment:
    """Give quota in arrival order."""
    book = _Book(reading, screened, left_minor, now, time_to_live)
    verdicts = [book.verdict(n) for n in range(len(reading.requests))]
    return Allotment(left_minor, verdicts, left_minor - book.left_minor, book.all_fitted)


class _Book:
    """Walks through one group; what an earlier request took counts for those behind it."""

    def __init__(
        self, reading: Reading, screened: Sequence[CommerceError | None], left_minor: int, now: datetime,
        time_to_live: timedelta,
    ) -> None:  # fmt: skip
        self._reading = reading
        self._screened = screened
        self._now = now
        self._time_to_live = time_to_live
        self.left_minor = left_minor
        self.all_fitted = True
        self._took: dict[str, int] = {}
        self._decided: dict[tuple[str, str], tuple[bytes, Verdict]] = {}

    def verdict(self, n: int) -> Verdict:
        """The stored answer, the answer of the same key earlier in the group, or a decision of its own."""
        request, stored = self._reading.requests[n], self._reading.stored[n]
        if stored is not None:
            return Verdict(stored.answer if stored.body_sha256 == request.body_sha256 else key_conflict())
        name = (request.customer_id, request.key)
        if name in self._decided:
            body, verdict = self._decided[name]
            return Verdict(verdict.outcome if body == request.body_sha256 else key_conflict())
        outcome = self._screened[n] or self._take(request, self._reading.buyers[n])
        if not isinstance(outcome, Decision | Refusal):
            return Verdict(outcome)  # waiting may change it: asked anew each time
        verdict = Verdict(outcome, is_new=True)
        self._decided[name] = (request.body_sha256, verdict)
        return verdict

    def _take(self, request: Request, buyer: Buyer) -> Decision | Refusal:
        stage = self._reading.stages[request.acknowledgement.broadcast_id]
        on_stage, customer = _card_on(stage), buyer.customer
        assert customer is not None, "an unknown customer was refused"
        amount, took_minor = request.amount, self._took.get(request.customer_id, 0)
        refusal = limit_refusal(on_stage.card.content, amount, buyer.held_minor + took_minor) or means_refusal(
            customer, buyer.invested_minor + took_minor, amount
        )
        if refusal is not None:
            return refusal
        if amount.amount_minor > self.left_minor:
            self.all_fitted = False
            return quota_empty()
        self.left_minor -= amount.amount_minor
        self._took[request.customer_id] = took_minor + amount.amount_minor
        return self._reserved(request, customer, stage)

    def _reserved(self, request: Request, customer: Customer, stage: Stage | Unavailable) -> Decision:
        on_stage, acknowledgement = _card_on(stage), request.acknowledgement
        assert isinstance(stage, Stage) and customer.risk_tolerance is not None, "these were refused"  # noqa: PT018
        terms = on_stage.card.content
        acknowledged = Order(
            order_id=request.order_id,
            customer_id=request.customer_id,
            product_id=acknowledgement.product_id,
            card_version=acknowledgement.card_version,
            broadcast_id=acknowledgement.broadcast_id,
            showing_id=on_stage.showing_id,
            acknowledgement_id=acknowledgement.acknowledgement_id,
            amount=request.amount,
            fee_minor=subscription_fee_minor(request.amount.amount_minor, terms.subscription_fee_bps),
            state=State.ACKNOWLEDGED,
            reserved_until=self._now,
            risk_rating=terms.risk_rating,
            risk_tolerance=customer.risk_tolerance,
            assessed_at=customer.assessed_at,
            stream_time_ms=stage.facts.stream_time_ms,
            created_at=self._now,
        )
        return order.reserve(acknowledged, self._now, self._time_to_live)


def key_conflict() -> Conflict:
    """The refusal of another body under a known key."""
    return Conflict("idempotency_conflict", "this key was used with another body")
