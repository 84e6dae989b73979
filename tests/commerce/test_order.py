"""An order's life: whatever is asked in whatever order, only the moves of the table happen."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from commerce import order
from commerce.core import HoldState
from commerce.errors import IllegalMove, Refusal
from commerce.money import Money
from commerce.order import AWAITS_CORE, HOLDS_FROZEN_FUNDS, HOLDS_QUOTA, MOVES, Decision, Order, State
from commerce.quota import Quota
from tests.commerce.bank import NOW

TTL = timedelta(seconds=240)
CUT_OFF = NOW + timedelta(days=1)


def acknowledged(amount_minor: int = 100_000) -> Order:
    return Order(
        order_id="or_1",
        customer_id="ac_ann",
        product_id="pr_a",
        card_version=1,
        broadcast_id="bc_a",
        showing_id="sh_1",
        acknowledgement_id="ak_1",
        amount=Money(amount_minor, "CNY"),
        fee_minor=0,
        state=State.ACKNOWLEDGED,
        reserved_until=NOW,
        risk_rating=2,
        risk_tolerance=3,
        stream_time_ms=None,
        created_at=NOW,
    )


class OrderLife(RuleBasedStateMachine):
    """Random commands at random times on one order, beside one quota that follows its states."""

    @initialize(amount=st.integers(1, 1_000))
    def begin(self, amount: int) -> None:
        self.now = NOW
        self.quota = Quota(1_000)
        self.order = acknowledged(amount)
        self.path = [self.order.state]
        self.apply(order.reserve(self.order, self.now, TTL))

    def apply(self, decision: Decision | None) -> None:
        if decision is None:
            return
        held, holds = self.order.state in HOLDS_QUOTA, decision.order.state in HOLDS_QUOTA
        if holds and not held:
            self.quota = self.quota.take(self.order.amount.amount_minor)
        if held and not holds:
            self.quota = self.quota.give_back(self.order.amount.amount_minor)
        assert decision.moved.from_state is self.order.state
        assert decision.moved.to_state is decision.order.state
        self.order = decision.order
        self.path.append(self.order.state)

    @rule(seconds=st.integers(0, 200))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def submit(self) -> None:
        try:
            self.apply(order.submit(self.order, self.now, "cr_1", "k1"))
            assert self.now < self.order.reserved_until
        except (Refusal, IllegalMove):
            pass

    @rule()
    def extend(self) -> None:
        before = self.order
        try:
            extended = order.extend(self.order, self.now, TTL).order
        except (Refusal, IllegalMove):
            assert (
                before.extended_at is not None
                or before.state is not State.RESERVED
                or self.now >= before.reserved_until
            )
            return
        assert extended.reserved_until == before.reserved_until + TTL
        self.order = extended

    @rule(said=st.sampled_from(HoldState))
    def the_core_says(self, said: HoldState) -> None:
        try:
            self.apply(order.settle(self.order, said, self.now))
        except IllegalMove:
            assert self.order.state not in AWAITS_CORE

    @rule()
    def cancel(self) -> None:
        try:
            self.apply(order.cancel(self.order, self.now, CUT_OFF))
        except IllegalMove:
            assert "cancel" not in order.allowed_acts(self.order)

    @rule()
    def expire_twice(self) -> None:
        self.apply(order.expire(self.order, self.now))
        assert order.expire(self.order, self.now) is None

    @invariant()
    def only_known_moves_happened(self) -> None:
        for before, after in zip(self.path, self.path[1:], strict=False):
            assert after in MOVES[before]

    @invariant()
    def the_quota_holds_exactly_what_the_state_says(self) -> None:
        expected = self.order.amount.amount_minor if self.order.state in HOLDS_QUOTA else 0
        assert self.quota.taken_minor == expected


TestOrderLife = OrderLife.TestCase


def test_every_state_has_its_row_and_only_ends_are_final() -> None:
    assert set(MOVES) == set(State)
    ends = {state for state, targets in MOVES.items() if not targets}
    assert ends == {State.EXPIRED, State.CANCELLED, State.REJECTED, State.REFUNDED, State.REDEEMED}
    assert HOLDS_FROZEN_FUNDS < HOLDS_QUOTA


def test_an_expired_reservation_cannot_be_submitted_before_the_sweeper_came() -> None:
    reserved = order.reserve(acknowledged(), NOW, TTL).order
    with pytest.raises(Refusal, match="reservation_expired"):
        order.submit(reserved, NOW + TTL, "cr_1", "k1")
    with pytest.raises(Refusal, match="reservation_expired"):
        order.submit(replace(reserved, state=State.EXPIRED), NOW, "cr_1", "k1")


def test_an_accepted_order_cannot_be_cancelled_after_the_cut_off() -> None:
    accepted = replace(acknowledged(), state=State.ACCEPTED)
    with pytest.raises(Refusal, match="window_closed"):
        order.cancel(accepted, CUT_OFF, CUT_OFF)


def test_an_illegal_move_says_what_the_customer_can_still_do() -> None:
    with pytest.raises(IllegalMove) as caught:
        order.submit(replace(acknowledged(), state=State.ACCEPTED), NOW, "cr_1", "k1")
    assert caught.value.extra == {"state": "accepted", "allowed": ["cancel"]}
