"""A decided group as the parameters of the one statement that writes it (`groups_postgres`). Pure.

Made before the quota is locked: writing out columns takes longer than asking for the lock.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from commerce.array_text import numbers, texts
from commerce.order import Order


class KeyAnswer(msgspec.Struct, frozen=True):
    """A new key with its final answer as JSON."""

    customer_id: str
    key: str
    body_sha256: bytes
    answer: str


@dataclass(frozen=True, slots=True)
class GroupRows:
    """All of a group's rows but its facts; `parameters` are the statement's first ones."""

    parameters: Sequence[Any]


def rows_of(
    product_id: str, currency: str, orders: Sequence[Order], first: Set[str], answers: Sequence[KeyAnswer], at: datetime
) -> GroupRows:
    """Write out new orders and answers; `first` names the customers who have no position of this product yet."""
    taken: dict[str, int] = {}
    for order in orders:
        taken[order.customer_id] = taken.get(order.customer_id, 0) + order.amount.amount_minor
    new = {customer_id: minor for customer_id, minor in taken.items() if customer_id in first}
    further = {customer_id: minor for customer_id, minor in taken.items() if customer_id not in first}
    return GroupRows(
        (
            product_id, sum(taken.values()), currency, at, texts(new), numbers(new.values()), texts(further),
            numbers(further.values()), *_order_columns(orders), *_answer_columns(answers),
        )
    )  # fmt: skip


def _order_columns(orders: Sequence[Order]) -> list[Any]:
    """What orders share, once a place (a card on a stage); when all of them end; then a column a field."""
    place_of: dict[str, int] = {}
    places: list[Order] = []
    of: list[int] = []
    for order in orders:
        if order.showing_id not in place_of:
            places.append(order)
            place_of[order.showing_id] = len(places)
        of.append(place_of[order.showing_id])
    return [
        [place.card_version for place in places],
        [place.broadcast_id for place in places],
        [place.showing_id for place in places],
        [place.risk_rating for place in places],
        [place.stream_time_ms for place in places],
        orders[0].reserved_until if orders else None,
        numbers(of),
        texts([order.order_id for order in orders]),
        texts([order.customer_id for order in orders]),
        texts([order.acknowledgement_id for order in orders]),
        numbers([order.amount.amount_minor for order in orders]),
        numbers([order.fee_minor for order in orders]),
        numbers([order.risk_tolerance for order in orders]),
        texts([_assessed_at(order) for order in orders]),
    ]


def _assessed_at(order: Order) -> str:
    assert order.assessed_at is not None, "who was never assessed was refused"
    return order.assessed_at.isoformat()


def _answer_columns(answers: Sequence[KeyAnswer]) -> list[Any]:
    return [
        texts([answer.customer_id for answer in answers]),
        texts([answer.key for answer in answers]),
        texts([answer.body_sha256.hex() for answer in answers]),
        [answer.answer for answer in answers],
    ]
