"""Facts that leave commerce for the rooms, as the outbox carries them. Pure."""

from datetime import datetime
from typing import Any, Literal

import msgspec

FactKind = Literal["card_shown", "card_pulled", "quota", "order", "tip"]


class NewFact(msgspec.Struct, frozen=True):
    """A fact to be written with the change that it tells of.

    `payload` holds the fields of the room event of that name in docs/protocol.md; `account_id` set means it is for
    that person's connections only. `trace` is the W3C `traceparent` of what caused it, where that is traced.
    """

    kind: FactKind
    broadcast_id: str
    payload: dict[str, Any]
    account_id: str | None = None
    trace: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """A committed fact; `fact_id` is the same however often it is handed out."""

    fact_id: int
    kind: FactKind
    broadcast_id: str
    account_id: str | None
    payload: dict[str, Any]
    at: datetime
    trace: str | None = None


def card_shown(broadcast_id: str, card: dict[str, Any], shown_at: datetime, stream_time_ms: int | None) -> NewFact:
    payload = {"card": card, "shown_at_ms": epoch_ms(shown_at), "stream_time_ms": stream_time_ms}
    return NewFact("card_shown", broadcast_id, payload)


def card_pulled(broadcast_id: str, product_id: str, reason: str) -> NewFact:
    return NewFact("card_pulled", broadcast_id, {"product_id": product_id, "reason": reason})


def quota_changed(broadcast_id: str, product_id: str, left_minor: int, total_minor: int, currency: str) -> NewFact:
    """`left_minor` is already rounded down to what viewers may see."""
    payload = {
        "product_id": product_id,
        "left_minor": left_minor,
        "total_minor": total_minor,
        "currency": currency,
    }
    return NewFact("quota", broadcast_id, payload)


def tip_made(broadcast_id: str, tip_id: str, nickname: str, points: int, stream_time_ms: int | None) -> NewFact:
    payload = {"tip_id": tip_id, "nickname": nickname, "points": points, "stream_time_ms": stream_time_ms}
    return NewFact("tip", broadcast_id, payload)


def epoch_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
