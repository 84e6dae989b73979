"""Facts that leave commerce for the rooms, as the outbox carries them. Pure."""

from datetime import datetime
from typing import Any, Literal

import msgspec

FactKind = Literal["card_shown", "card_pulled", "quota", "order", "tip"]


class NewFact(msgspec.Struct, frozen=True):
    """A fact to be written with the change that it tells of.

    `payload` holds the fields of the room event of that name in docs/protocol.md; `account_id` set means it is for
    that person's connections only.
    """

    kind: FactKind
    broadcast_id: str
    payload: dict[str, Any]
    account_id: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """A committed fact; `name` is the same however often it is handed out.

    `trace` is the W3C `traceparent` of what caused it, where that is traced.
    A group of orders writes one fact for all of them, which is handed out in `part`s, a fact each; `last` is set on the
    last part of a row.
    """

    fact_id: int
    kind: FactKind
    broadcast_id: str
    account_id: str | None
    payload: dict[str, Any]
    at: datetime
    trace: str | None = None
    part: int = 0
    last: bool = True

    @property
    def name(self) -> str:
        """What no other fact is called: readers know by it what they have taken."""
        return f"{self.fact_id}.{self.part}" if self.part else str(self.fact_id)


class ReservedTogether(msgspec.Struct, frozen=True):
    """The payload of one fact about all orders that a group reserved in one broadcast.

    `reserved` holds account, order, amount, and the trace that the order belongs to.
    """

    product_id: str
    currency: str
    reserved: list[tuple[str, str, int, str | None]]


def card_shown(broadcast_id: str, card: dict[str, Any], shown_at: datetime, stream_time_ms: int | None) -> NewFact:
    payload = {"card": card, "shown_at_ms": epoch_ms(shown_at), "stream_time_ms": stream_time_ms}
    return NewFact("card_shown", broadcast_id, payload)


def card_pulled(broadcast_id: str, product_id: str, reason: str) -> NewFact:
    return NewFact("card_pulled", broadcast_id, {"product_id": product_id, "reason": reason})


def orders_reserved(broadcast_id: str, payload: ReservedTogether) -> NewFact:
    """Tell of a group's new orders in one row: `parts_of` makes each owner's fact of it."""
    return NewFact("order", broadcast_id, msgspec.structs.asdict(payload))


def order_payload(order_id: str, state: str, amount_minor: int, currency: str, product_id: str) -> dict[str, Any]:
    """The fields of the room event `order`."""
    return {
        "order_id": order_id,
        "state": state,
        "amount_minor": amount_minor,
        "currency": currency,
        "product_id": product_id,
    }


def parts_of(fact: Fact) -> list[Fact]:
    """The facts that a row of the outbox stands for, in their order: itself, or one for each order of a group."""
    if "reserved" not in fact.payload:
        return [fact]
    group = msgspec.convert(fact.payload, ReservedTogether)
    return [
        Fact(
            fact.fact_id, fact.kind, fact.broadcast_id, account_id,
            order_payload(order_id, "reserved", amount_minor, group.currency, group.product_id),
            fact.at, trace, part, part == len(group.reserved) - 1,
        )
        for part, (account_id, order_id, amount_minor, trace) in enumerate(group.reserved)
    ]  # fmt: skip


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
