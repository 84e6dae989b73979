"""The show's small pure decisions: coming back, going on air, amounts, back-off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.backoff import Backoff
from load_tests.reconnection import Return, StayAway, after_close
from load_tests.show.airing import Move, Publish, Wait, next_step
from load_tests.show.purchase import amount_minor

CARD = {
    "minimum_minor": 100_000,
    "increment_minor": 10_000,
    "customer_maximum_minor": 50_000_000,
    "quota_total_minor": 300_000_000,
}


@pytest.mark.parametrize("code", [4000, 4001, 4002, 4004, 4005, 4006, 4499])
def test_a_client_comes_back_when_the_bye_says(code: int) -> None:
    assert after_close(code, 700, 2_000) == Return(700, fresh_token=False)


@pytest.mark.parametrize("code", [1006, 1000, 1001, 1012, 4000])
def test_without_a_bye_the_welcomes_delay_counts(code: int) -> None:
    assert after_close(code, None, 2_000) == Return(2_000, fresh_token=False)


def test_an_expired_token_is_replaced_first() -> None:
    assert after_close(4003, 0, 2_000) == Return(0, fresh_token=True)


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4503, 4504, 4505, 4999])
def test_a_client_stays_away_when_told(code: int) -> None:
    assert after_close(code, 700, 2_000) == StayAway(code)


@pytest.mark.parametrize(
    ("state", "allowed", "step"),
    [
        ("approved", ["cancel", "go_live", "rehearse", "schedule"], Move("rehearse")),
        ("scheduled", ["go_live"], Move("go_live")),
        ("approved", ["schedule"], Move("schedule")),
        ("rehearsal", ["go_live"], Publish()),
        ("live", ["end", "pause"], Publish()),
        ("paused", ["resume", "end"], Publish()),
    ],
)
def test_the_host_takes_the_next_step(state: str, allowed: list[str], step: object) -> None:
    assert next_step(state, allowed) == step


@pytest.mark.parametrize("state", ["draft", "in_review", "ended", "terminated", "cancelled", "archived"])
def test_the_host_waits_where_a_person_decided(state: str) -> None:
    assert isinstance(next_step(state, ["archive", "submit"]), Wait)


@given(st.integers(1, 5), st.integers(0, 10**10), st.integers(1, 10**9))
def test_an_amount_keeps_to_the_card_and_the_purse(shares: int, available: int, increment: int) -> None:
    card = {**CARD, "increment_minor": increment}
    amount = amount_minor(card, shares, available)
    if amount is None:
        assert available < card["minimum_minor"]
    else:
        assert card["minimum_minor"] <= amount <= min(available, card["customer_maximum_minor"])
        assert (amount - card["minimum_minor"]) % increment == 0


def test_a_loop_of_purchases_takes_little_of_the_quota() -> None:
    amount = amount_minor(CARD, 5, 10**9)
    assert amount is not None
    assert amount * 7 < CARD["quota_total_minor"] // 20


def test_delays_grow_to_their_limit_and_begin_again() -> None:
    backoff = Backoff(first_s=0.5, most_s=3)
    delays = [backoff.next_s() for _ in range(6)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.5, 3)
    backoff.reset()
    assert backoff.next_s() == 0.5
