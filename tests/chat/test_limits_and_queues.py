"""Token buckets, the outbox, remembered ids, close codes and likes: the small pure parts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.close_codes import CloseCode
from chat.like_allowance import LikeAllowance
from chat.likes import LikeTally
from chat.rate_limit import AccountBuckets, Rate, TokenBucket

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


@given(st.lists(st.floats(0, 5), max_size=100))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(pauses_s: list[float]) -> None:
    bucket, now_s, taken = TokenBucket(Rate(5, 2), 0.0), 0.0, 0
    for pause_s in pauses_s:
        now_s += pause_s
        taken += bucket.take(now_s) == 0.0
        assert taken <= 5 + 2 * now_s + 1e-6


def test_a_bucket_tells_when_the_next_token_is_there() -> None:
    bucket = TokenBucket(Rate(1, 0.5), 0.0)
    assert bucket.take(0.0) == 0.0
    wait_s = bucket.take(0.0)
    assert wait_s == 2.0
    assert bucket.take(wait_s) == 0.0


def test_a_clock_that_steps_back_gives_no_tokens() -> None:
    bucket = TokenBucket(Rate(1, 1), 100.0)
    bucket.take(100.0)
    assert bucket.take(0.0) > 0
    assert bucket.take(100.5) > 0


def test_account_buckets_are_bounded() -> None:
    buckets = AccountBuckets(Rate(1, 1), capacity=3)
    for number in range(10):
        buckets.take(f"ac_{number}", 0.0)
    assert len(buckets) == 3
    assert buckets.take("ac_9", 0.0) > 0


@pytest.mark.parametrize("close_code", CloseCode)
def test_the_close_codes_are_those_of_the_protocol(close_code: CloseCode) -> None:
    assert f"| {close_code.code} | `{close_code.reason}`" in PROTOCOL.read_text(encoding="utf-8")
    bye = close_code.bye(0.999)
    assert bye.reconnect is (4000 <= close_code.code <= 4499)
    assert (bye.retry_after_ms is not None) is bye.reconnect


def test_returning_clients_are_spread() -> None:
    delays = [CloseCode.DRAINING.bye(spread / 10).retry_after_ms for spread in range(10)]
    assert delays == sorted(set(delays), key=lambda delay: delay or 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.booleans()), max_size=60))
def test_the_like_total_is_the_sum_of_each_clients_highest(raised: list[tuple[str, int, bool]]) -> None:
    tally, store, highest = LikeTally(0.2), {"a": 0, "b": 0, "c": 0}, {"a": 0, "b": 0, "c": 0}

    def merge(counts: dict[str, int]) -> None:
        for client, count in counts.items():
            store[client] = max(store[client], count)

    for client, count, store_fails in raised:
        tally.raise_count(client, count)
        highest[client] = max(highest[client], count)
        counts = tally.take_counts()
        if store_fails:
            for behind, value in counts.items():
                tally.raise_count(behind, value)
        else:
            merge(counts)
            merge(counts)  # a repeated delivery changes nothing
    merge(tally.take_counts())
    assert store == highest


def test_likes_beyond_what_a_person_can_tap_are_not_counted_whatever_installations_they_name() -> None:
    allowance = LikeAllowance(Rate(burst=30, per_s=10))
    assert allowance.grant({"ac_a/one": 100_000, "ac_b/phone": 7}, 0.0) == {"ac_a/one": 30, "ac_b/phone": 7}
    assert allowance.grant({f"ac_a/{n}": 100_000 for n in range(50)}, 0.0) == {f"ac_a/{n}": 0 for n in range(50)}
    assert allowance.grant({"ac_a/one": 100_000}, 2.0) == {"ac_a/one": 50}


def test_an_honest_tapper_is_counted_whole_over_lost_merges_and_from_what_was_counted_elsewhere() -> None:
    allowance = LikeAllowance()
    assert allowance.unknown(["ac_a/phone"]) == ["ac_a/phone"]
    allowance.learn({"ac_a/phone": 5_000})
    for second in range(1, 600):
        for _ in range(3):  # the first two could not be merged
            assert allowance.grant({"ac_a/phone": 5_000 + 10 * second}, float(second)) == {
                "ac_a/phone": 5_000 + 10 * second
            }
    assert allowance.grant({"ac_a/phone": 3}, 600.0) == {"ac_a/phone": 3}
    assert allowance.unknown(["ac_a/phone", "ac_b/phone"]) == ["ac_b/phone"]


def test_the_memory_of_likes_is_bounded() -> None:
    allowance = LikeAllowance(remembered=10)
    for number in range(100):
        allowance.grant({f"ac_{number}/phone": 1}, 0.0)
    assert len(allowance.unknown(f"ac_{number}/phone" for number in range(100))) == 90
    assert len(allowance._accounts) == 10


def test_at_most_one_like_total_a_tick_is_shown_and_it_never_falls() -> None:
    tally = LikeTally(0.2)
    assert tally.due(0.0) is None
    tally.learn_total(3)
    assert tally.due(0.0) == 3
    tally.learn_total(5)
    assert tally.due(0.1) is None
    tally.learn_total(4)
    assert tally.due(0.2) == 5
    assert tally.due(9.0) is None
