"""An order's life as a pure state machine: decisions return the order after and the move to write down."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from commerce.core import HoldState
from commerce.errors import IllegalMove, Refusal
from commerce.money import Money

SYSTEM = "system"  # the actor of what nobody asked for


class State(StrEnum):
    """The states of domain.md; values are stored and shown."""

    __hash__ = str.__hash__  # Enum's own is a Python function, and an order looks states up ten times

    ACKNOWLEDGED = "acknowledged"
    RESERVED = "reserved"
    SUBMITTED = "submitted"
    OUTCOME_UNKNOWN = "outcome_unknown"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    PARTIALLY_CONFIRMED = "partially_confirmed"
    CONFIRM_FAILED = "confirm_failed"
    HOLDING = "holding"
    REDEEMING = "redeeming"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REFUNDED = "refunded"


_S = State
MOVES: Mapping[State, frozenset[State]] = {
    _S.ACKNOWLEDGED: frozenset({_S.RESERVED}),
    _S.RESERVED: frozenset({_S.SUBMITTED, _S.EXPIRED, _S.CANCELLED}),
    _S.SUBMITTED: frozenset({_S.ACCEPTED, _S.REJECTED, _S.OUTCOME_UNKNOWN, _S.RESERVED}),
    _S.OUTCOME_UNKNOWN: frozenset({_S.ACCEPTED, _S.REJECTED}),
    _S.ACCEPTED: frozenset({_S.CONFIRMED, _S.PARTIALLY_CONFIRMED, _S.CONFIRM_FAILED, _S.CANCELLED, _S.REFUNDED}),
    _S.CONFIRMED: frozenset({_S.HOLDING, _S.REFUNDED}),
    _S.PARTIALLY_CONFIRMED: frozenset({_S.HOLDING, _S.REFUNDED}),
    _S.CONFIRM_FAILED: frozenset({_S.REFUNDED}),
    _S.HOLDING: frozenset({_S.REDEEMING}),
    _S.REDEEMING: frozenset({_S.REDEEMED, _S.HOLDING}),
    _S.REDEEMED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.REFUNDED: frozenset(),
}
# Redemption gives nothing back: the quota counts what was sold, not what is held.
HOLDS_QUOTA = frozenset(
    {
        _S.RESERVED, _S.SUBMITTED, _S.OUTCOME_UNKNOWN, _S.ACCEPTED, _S.CONFIRMED, _S.PARTIALLY_CONFIRMED,
        _S.HOLDING, _S.REDEEMING, _S.REDEEMED,
    }
)  # fmt: skip
_ACTS = {
    state: tuple(act for act, target in (("submit", _S.SUBMITTED), ("cancel", _S.CANCELLED)) if target in targets)
    for state, targets in MOVES.items()
}
_EXTENDABLE = (*_ACTS[_S.RESERVED], "extend")
AWAITS_CORE = frozenset({_S.SUBMITTED, _S.OUTCOME_UNKNOWN})
OPEN = frozenset({_S.RESERVED}) | AWAITS_CORE  # a purchase that its customer can go on with
HOLDS_FROZEN_FUNDS = frozenset({_S.ACCEPTED})


class Order(msgspec.Struct, frozen=True):
    """An order as it stands; `stream_time_ms` is the broadcast's clock when it was reserved.

    `risk_tolerance` and `assessed_at` are the level it was decided by and when that was found, which with the customer
    names the assessment; `assessed_at` is None of orders that were reserved before it was kept.
    `core_reference` names its latest submission to the core, `submit_key` the idempotency key of that;
    `confirmed_units_minor` counts units as the currency counts its own, in minor ones, None before it is confirmed;
    `confirming`: the core is being asked to debit, so that it cannot be cancelled any more.
    """

    order_id: str
    customer_id: str
    product_id: str
    card_version: int
    broadcast_id: str
    showing_id: str
    acknowledgement_id: str
    amount: Money
    fee_minor: int
    state: State
    reserved_until: datetime
    risk_rating: int
    risk_tolerance: int
    stream_time_ms: int | None
    created_at: datetime
    extended_at: datetime | None = None
    submit_key: str | None = None
    core_reference: str | None = None
    confirmed_units_minor: int | None = None
    confirming: bool = False
    assessed_at: datetime | None = None


class OrderMoved(msgspec.Struct, frozen=True):
    """An event: the order went from one state to another; it becomes a row of the order's history."""

    order_id: str
    from_state: State
    to_state: State
    actor_id: str
    reason: str | None
    at: datetime


class Decision(msgspec.Struct, frozen=True):
    """The order after, and the move that led there."""

    order: Order
    moved: OrderMoved


def reserve(acknowledged: Order, now: datetime, time_to_live: timedelta) -> Decision:
    """Hold quota for an acknowledged order until `now + time_to_live`."""
    return _move(acknowledged, State.RESERVED, acknowledged.customer_id, None, now, reserved_until=now + time_to_live)


def extend(order: Order, now: datetime, time_to_live: timedelta) -> Decision:
    """Give a reservation its time once more; raises Refusal `reservation_expired` or IllegalMove."""
    _refuse_expired(order, now)
    if order.state is not State.RESERVED or order.extended_at is not None:
        raise IllegalMove(order.state, allowed_acts(order), "a reservation is extended once, before it is submitted")
    extended = replace(order, reserved_until=order.reserved_until + time_to_live, extended_at=now)
    return Decision(extended, OrderMoved(order.order_id, order.state, order.state, order.customer_id, "extended", now))


def submit(order: Order, now: datetime, core_reference: str, key: str) -> Decision:
    """Hand a reservation in to the core; raises Refusal `reservation_expired` or IllegalMove."""
    _refuse_expired(order, now)
    return _move(order, State.SUBMITTED, order.customer_id, None, now, core_reference=core_reference, submit_key=key)


def _refuse_expired(order: Order, now: datetime) -> None:
    if order.state is State.EXPIRED or (order.state is State.RESERVED and now >= order.reserved_until):
        raise Refusal("reservation_expired", "the reservation's time is over: reserve again")


def settle(order: Order, hold: HoldState, now: datetime) -> Decision | None:
    """Take what the core says of a submission that awaits it; None: nothing new, its quota stays held.

    Refused at once, the reservation stands for the rest of its time; refused or void after its outcome was unknown,
    the order is rejected, for the customer was told to wait for an end.
    """
    match hold:
        case HoldState.FROZEN | HoldState.DEBITED:
            return accept(order, now)
        case HoldState.REFUSED if order.state is State.SUBMITTED:
            return _move(order, State.RESERVED, SYSTEM, "insufficient funds", now)
        case HoldState.REFUSED:
            return _move(order, State.REJECTED, SYSTEM, "insufficient funds", now)
        case HoldState.RELEASED | HoldState.VOID:
            return _move(order, State.REJECTED, SYSTEM, "given up before the core froze anything", now)
        case HoldState.NOT_KNOWN if order.state is State.SUBMITTED:
            return _move(order, State.OUTCOME_UNKNOWN, SYSTEM, "the core has not answered", now)
    return None


def accept(submitted: Order, now: datetime) -> Decision:
    """Take a submitted order whose funds are frozen."""
    return _move(submitted, State.ACCEPTED, SYSTEM, "funds frozen", now)


def confirm(order: Order, hold: HoldState, now: datetime) -> Decision | None:
    """Take what the core says of the debit of an accepted order; None: nothing new.

    Units are those of fundraising, at a net value of 1.0: `units = (amount − fee) / NAV` (domain.md).
    """
    if order.state is not State.ACCEPTED:
        return None
    match hold:
        case HoldState.DEBITED:
            units_minor = order.amount.amount_minor - order.fee_minor
            return _move(order, State.CONFIRMED, SYSTEM, "debited", now, confirmed_units_minor=units_minor)
        case HoldState.REFUSED | HoldState.RELEASED | HoldState.VOID:
            return _move(order, State.CONFIRM_FAILED, SYSTEM, f"the core says {hold}", now)
    return None


def cancel(order: Order, now: datetime, cut_off: datetime) -> Decision:
    """Give a reservation back, or an accepted order before the cut-off; raises IllegalMove, `window_closed`."""
    if order.state is State.ACCEPTED and (now >= cut_off or order.confirming):
        raise Refusal("window_closed", "the cut-off for cancelling has passed")
    return _move(order, State.CANCELLED, order.customer_id, "cancelled by the customer", now)


def expire(order: Order, now: datetime) -> Decision | None:
    """End a reservation whose time is over; None when there is nothing to do, so that repeating is harmless."""
    if order.state is not State.RESERVED or now < order.reserved_until:
        return None
    return _move(order, State.EXPIRED, SYSTEM, "reservation not submitted in time", now)


def allowed_acts(order: Order) -> tuple[str, ...]:
    """List what a customer can still do with an order as it stands."""
    return _EXTENDABLE if order.state is State.RESERVED and order.extended_at is None else _ACTS[order.state]


def _move(
    order: Order, target: State, actor_id: str, reason: str | None, now: datetime, **changes: datetime | str | int
) -> Decision:
    if target not in MOVES[order.state]:
        detail = f"an order that is {order.state} cannot become {target}"
        raise IllegalMove(order.state, allowed_acts(order), detail)
    moved = OrderMoved(order.order_id, order.state, target, actor_id, reason, now)
    return Decision(replace(order, state=target, **changes), moved)
