"""What a card's terms, the stage and an acknowledgement say about one purchase. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from commerce.errors import CommerceError, Conflict, NotFound, Refusal, Unavailable
from commerce.money import Money
from commerce.ports import BroadcastFacts
from commerce.product import CardContent, CardVersion

ACKNOWLEDGEMENT_TEXT = "本人已经阅读风险揭示，愿意承担投资风险"
# By hand, or, for somebody who cannot type, by a press for each part of the sentence in turn.
AcknowledgementMethod = Literal["typed", "steps"]
ON_AIR = frozenset({"live", "paused"})


class Acknowledgement(msgspec.Struct, frozen=True):
    """What a customer read and agreed to, for one card version in one broadcast; `method` says how."""

    acknowledgement_id: str
    customer_id: str
    broadcast_id: str
    product_id: str
    card_version: int
    typed_text: str
    acknowledged_at: datetime
    expires_at: datetime
    method: AcknowledgementMethod = "typed"


class ExtraReading(msgspec.Struct, frozen=True):
    """The extra disclosure as a customer read it, and from when on they may order, as they were told then."""

    acknowledgement_id: str
    text: str
    text_sha256: str
    acknowledged_at: datetime
    orderable_from: datetime


@dataclass(frozen=True, slots=True)
class KeptReading:
    """An acknowledgement with what it rests on: opened documents as (id, SHA-256), and for how long."""

    acknowledgement: Acknowledgement
    documents: tuple[tuple[str, str], ...]
    dwell_ms: int
    stream_time_ms: int | None


@dataclass(frozen=True, slots=True)
class OnStage:
    """The showing that is open in a broadcast, with its card, and since when by both clocks."""

    showing_id: str
    card: CardVersion
    shown_at: datetime
    stream_time_ms: int | None


def extra_disclosure_text(wait: timedelta) -> str:
    """What the senior rule has a customer read before a riskier product."""
    return (
        "本产品风险等级较高，可能损失本金。请您结合自身年龄、健康状况、收入来源和资金用途审慎决定，"
        f"必要时与家人商量。确认阅读后须等待{wait.total_seconds() / 3600:g}小时方可购买。"
    )


def stage_refusal(
    facts: BroadcastFacts, on_stage: OnStage | None, product_id: str, card_version: int
) -> Refusal | None:
    """Say whether this very card version is on stage; nothing is in a broadcast that is not on air."""
    if facts.state not in ON_AIR or on_stage is None or on_stage.card.product_id != product_id:
        return Refusal("card_pulled", "this card is not on stage")
    if on_stage.card.card_version != card_version:
        return Refusal("card_version_stale", "the card has a newer version: read that one")
    return None


STOPS_THE_SALE = frozenset({"monitor_absent", "recording_unavailable"})


def supervision_refusal(facts: BroadcastFacts) -> Unavailable | None:
    """Say whether the sale stands still because nobody watches or nothing records (`STOPS_THE_SALE`)."""
    if facts.monitor_absent:
        return Unavailable("monitor_absent", "buying waits for the compliance monitor", retry_after_s=5)
    if facts.recording_unavailable:
        return Unavailable("recording_unavailable", "buying waits for the recorder", retry_after_s=5)
    return None


def submit_refusal(
    facts: BroadcastFacts, approved_version: int | None, card_version: int
) -> Refusal | Unavailable | None:
    """Say whether a reservation may still be handed in.

    Its card may have left the stage, and the show may be over; it must not have been withdrawn, replaced by a newer
    version or cut off by the monitor, and while the show runs somebody has to watch and record it. That the window is
    open is checked beside this: a reservation holds quota, not the window.
    """
    if approved_version is None or facts.state == "terminated":
        return Refusal("card_pulled", "this product is not sold any more")
    if approved_version != card_version:
        return Refusal("card_version_stale", "the card has a newer version: read that one")
    return supervision_refusal(facts) if facts.state in ON_AIR else None


def window_refusal(terms: CardContent, now: datetime) -> Refusal | None:
    if terms.window_opens_at <= now < terms.window_closes_at:
        return None
    return Refusal("window_closed", "the subscription window is not open")


def terms_refusal(terms: CardContent, amount: Money) -> Refusal | None:
    """Check currency, minimum and increment."""
    if amount.currency != terms.currency:
        return Refusal("bad_amount", f"this product is bought in {terms.currency}")
    if amount.amount_minor < terms.minimum_minor:
        return Refusal("below_minimum", "the amount is below the minimum")
    if (amount.amount_minor - terms.minimum_minor) % terms.increment_minor:
        return Refusal("bad_increment", "above the minimum the amount goes up in whole increments")
    return None


def limit_refusal(terms: CardContent, amount: Money, held_minor: int) -> Refusal | None:
    """Check the customer's maximum of this product, beside what they hold of it already."""
    return over_limit() if amount.amount_minor > terms.customer_maximum_minor - held_minor else None


def over_limit() -> Refusal:
    return Refusal("over_limit", "the amount exceeds what one customer may buy of this product")


def acknowledgement_refusal(acknowledgement: Acknowledgement | None, customer_id: str, now: datetime) -> Refusal | None:
    """Another customer's acknowledgement is no better than none, and is not told apart."""
    if acknowledgement is None or acknowledgement.customer_id != customer_id:
        return Refusal("disclosure_missing", "read and acknowledge the disclosure first")
    if now >= acknowledgement.expires_at:
        return Refusal("disclosure_missing", "the acknowledgement is too old: read and acknowledge again")
    return None


def reading_refusal(
    card: CardVersion, typed_text: str, opened: Iterable[str], dwell_ms: int, minimum_dwell_ms: int
) -> Refusal | None:
    """Check the sentence to the letter, every document opened, and the time spent."""
    if typed_text != ACKNOWLEDGEMENT_TEXT:
        return Refusal("disclosure_missing", f"type exactly: {ACKNOWLEDGEMENT_TEXT}")
    missing = [d.document_id for d in card.documents if d.document_id not in set(opened)]
    if missing:
        return Refusal("disclosure_missing", "open every document first", documents_missing=missing)
    if dwell_ms < minimum_dwell_ms:
        detail = f"the reading takes at least {minimum_dwell_ms / 1000:.0f} seconds"
        return Refusal("disclosure_missing", detail, minimum_dwell_ms=minimum_dwell_ms)
    return None


def require_broadcast(facts: BroadcastFacts) -> None:
    if not facts.exists:
        raise NotFound("no_such_broadcast", "there is no such broadcast")


def require_on_air(facts: BroadcastFacts) -> None:
    if facts.state not in ON_AIR:
        raise Conflict("not_live", "the broadcast is not on air")


def require_on_shelf(facts: BroadcastFacts, product_id: str) -> None:
    if product_id not in facts.shelf:
        raise Conflict("not_on_shelf", "this product was not approved with the broadcast: it is not on its shelf")


def raise_first(refusals: Iterable[CommerceError | None]) -> None:
    """Raise the first that is not None; the order of checks is the order in which a customer hears of them."""
    for refusal in refusals:
        if refusal is not None:
            raise refusal
