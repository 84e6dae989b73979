"""Use-cases before buying: what stands against it (the gate), and the acknowledgement of the disclosure."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from commerce.card_view import CardView
from commerce.core_asked import AskedCore
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError, NotFound, Refusal
from commerce.funnel import KnownSteps, steps_of
from commerce.ports import BroadcastFacts
from commerce.product import CardVersion, sha256_hex
from commerce.purchase import (
    ACKNOWLEDGEMENT_TEXT,
    Acknowledgement,
    AcknowledgementMethod,
    ExtraReading,
    OnStage,
    extra_disclosure_text,
    over_limit,
    raise_first,
    reading_refusal,
    require_broadcast,
    stage_refusal,
    supervision_refusal,
    window_refusal,
)
from commerce.quota import quota_empty
from commerce.suitability import (
    Customer,
    assessed_until,
    lasting_refusals,
    needs_extra_disclosure,
    senior_refusal,
)
from commerce.uow_postgres import Unit


@dataclass(frozen=True, slots=True)
class Reading:
    """What a customer did with a disclosure before acknowledging it."""

    broadcast_id: str
    product_id: str
    card_version: int
    typed_text: str
    documents_opened: tuple[str, ...]
    dwell_ms: int
    extra_disclosure_read: bool = False
    method: AcknowledgementMethod = "typed"


class GateRefusal(msgspec.Struct):
    """One thing that stands against buying."""

    code: str
    detail: str


class GateCustomer(msgspec.Struct):
    """The level to buy by, until when it holds, and the funds available (null: the core does not say)."""

    risk_tolerance: str | None
    assessed_until: datetime | None
    available_minor: int | None
    currency: str


class ExtraDisclosure(msgspec.Struct):
    """What somebody of 65 or older reads before a riskier product, and from when on they may order it."""

    text: str
    acknowledged_at: datetime | None
    orderable_from: datetime | None


class GateView(msgspec.Struct, kw_only=True):
    """Everything the gate shows; times are the server's."""

    allowed: bool
    refusals: list[GateRefusal]
    customer: GateCustomer
    card: CardView
    acknowledgement_text: str
    minimum_dwell_ms: int
    extra_disclosure: ExtraDisclosure | None


class Gate:
    """Suitability and reading, without a clock on the customer."""

    def __init__(self, given: Dependencies, core: AskedCore) -> None:
        self._given = given
        self._core = core
        self._known_steps = KnownSteps()

    async def check(self, broadcast_id: str, product_id: str, customer_id: str) -> GateView:
        """Answer everything the gate shows: what stands against buying now, the customer, the card, what to type.

        How far this customer has come is kept for the show's report.
        """
        facts = await self._given.read_broadcast(broadcast_id)
        require_broadcast(facts)
        now = self._given.now()
        async with self._given.units.begin() as unit:
            on_stage = await unit.showings.open_on(broadcast_id)
            card = await _card_on_sale(unit, product_id, on_stage)
            customer = await unit.customers.read(customer_id)
            extra = await unit.customers.extra_reading(customer_id, card.product_id, card.card_version)
            refusals = await self._refusals(unit, facts, on_stage, card, customer, customer_id, extra, now)
            quota = await unit.quotas.read(product_id)
            assert quota is not None, "what is on sale was approved"
            currency = card.content.currency
            where = broadcast_id, product_id, customer_id
            if new := self._known_steps.new(*where, steps_of(refusals)):
                await unit.funnel.note(*where, new, now)
        self._known_steps.keep(*where, new)
        available_minor = await self._core.available_minor(customer_id, currency)
        return GateView(
            allowed=not refusals,
            refusals=[GateRefusal(refusal.code, refusal.detail) for refusal in refusals],
            customer=GateCustomer(*self._level(customer), available_minor, currency),
            card=self._given.shown_card(card, quota),
            acknowledgement_text=ACKNOWLEDGEMENT_TEXT,
            minimum_dwell_ms=self._given.settings.minimum_dwell_ms,
            extra_disclosure=self._extra(customer, card, extra, now),
        )

    async def acknowledge(self, customer_id: str, reading: Reading) -> Acknowledgement:
        """Keep that this customer read and typed it; raises Refusal, `disclosure_missing` for what was skipped.

        A customer whom the product does not suit is refused here already; the senior wait may begin here.
        """
        facts = await self._given.read_broadcast(reading.broadcast_id)
        require_broadcast(facts)
        try:
            async with self._given.units.begin() as unit:
                await unit.showings.hold_shared(reading.broadcast_id)
                on_stage = await unit.showings.open_on(reading.broadcast_id)
                raise_first([stage_refusal(facts, on_stage, reading.product_id, reading.card_version)])
                assert on_stage is not None, "an empty stage was refused"
                return await self._acknowledge(unit, customer_id, reading, on_stage.card, facts.stream_time_ms)
        except Refusal as refusal:
            if refusal.code == "risk_mismatch":
                await self._keep_mismatch(reading.broadcast_id, reading.product_id, customer_id)
            raise

    async def _keep_mismatch(self, broadcast_id: str, product_id: str, customer_id: str) -> None:
        """In a transaction of its own, as that of the refusal is undone."""
        where = broadcast_id, product_id, customer_id
        if new := self._known_steps.new(*where, ["detail", "mismatch"]):
            async with self._given.units.begin() as unit:
                await unit.funnel.note(*where, new, self._given.now())
            self._known_steps.keep(*where, new)

    async def _acknowledge(
        self, unit: Unit, customer_id: str, reading: Reading, card: CardVersion, stream_time_ms: int | None
    ) -> Acknowledgement:
        now, settings = self._given.now(), self._given.settings
        customer = await unit.customers.read(customer_id)
        rating = card.content.risk_rating
        raise_first(lasting_refusals(customer, rating, now, settings.suitability))
        assert customer is not None, "an unknown customer was refused"
        raise_first(
            [
                reading_refusal(
                    card, reading.typed_text, reading.documents_opened, reading.dwell_ms, settings.minimum_dwell_ms
                )
            ]
        )  # fmt: skip
        acknowledgement = Acknowledgement(
            self._given.new_id("ak"), customer_id, reading.broadcast_id, reading.product_id, reading.card_version,
            reading.typed_text, now, now + settings.acknowledgement_ttl, reading.method,
        )  # fmt: skip
        await unit.customers.add_acknowledgement(acknowledgement, card, reading.dwell_ms, stream_time_ms)
        if reading.extra_disclosure_read and needs_extra_disclosure(customer, rating, now, settings.suitability):
            wait = settings.suitability.senior_wait
            text = extra_disclosure_text(wait)
            extra = ExtraReading(acknowledgement.acknowledgement_id, text, sha256_hex(text), now, now + wait)
            await unit.customers.add_extra_reading(acknowledgement, extra)
        return acknowledgement

    async def _refusals(
        self, unit: Unit, facts: BroadcastFacts, on_stage: OnStage | None, card: CardVersion,
        customer: Customer | None, customer_id: str, extra: ExtraReading | None, now: datetime,
    ) -> list[CommerceError]:  # fmt: skip
        rules, terms = self._given.settings.suitability, card.content
        found: list[CommerceError | None] = [
            stage_refusal(facts, on_stage, card.product_id, card.card_version),
            supervision_refusal(facts),
            *lasting_refusals(customer, terms.risk_rating, now, rules),
            window_refusal(terms, now),
        ]
        if customer is not None:
            orderable_from = None if extra is None else extra.orderable_from
            found.append(senior_refusal(customer, terms.risk_rating, orderable_from, now, rules))
        quota = await unit.quotas.read(card.product_id)
        held, _ = await unit.quotas.positions(customer_id, card.product_id, terms.currency)
        found.append(quota_empty() if quota is None or quota.left_minor < terms.minimum_minor else None)
        found.append(over_limit() if terms.customer_maximum_minor - held < terms.minimum_minor else None)
        return [refusal for refusal in found if refusal is not None]

    def _level(self, customer: Customer | None) -> tuple[str | None, datetime | None]:
        if customer is None or customer.risk_tolerance is None or customer.assessed_at is None:
            return None, None
        until = assessed_until(customer.assessed_at, self._given.settings.suitability)
        return f"C{customer.risk_tolerance}", until

    def _extra(
        self, customer: Customer | None, card: CardVersion, read: ExtraReading | None, now: datetime
    ) -> ExtraDisclosure | None:
        rules = self._given.settings.suitability
        if customer is None or not needs_extra_disclosure(customer, card.content.risk_rating, now, rules):
            return None
        if read is None:
            return ExtraDisclosure(extra_disclosure_text(rules.senior_wait), None, None)
        return ExtraDisclosure(read.text, read.acknowledged_at, read.orderable_from)


async def _card_on_sale(unit: Unit, product_id: str, on_stage: OnStage | None) -> CardVersion:
    if on_stage is not None and on_stage.card.product_id == product_id:
        return on_stage.card
    product = await unit.catalogue.product(product_id)
    if product is None or product.approved_version is None:
        raise NotFound("no_such_product", "there is no such product")
    card = await unit.catalogue.card(product_id, product.approved_version)
    assert card is not None, "the approved version exists"
    return card
