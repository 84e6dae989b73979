"""A storm of joins is spread over time rather than taken all at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.admission import MAX_RETRY_AFTER_S, JoinBudget


@given(per_s=st.integers(1, 1000), gaps=st.lists(st.floats(0, 0.5), max_size=300))
def test_no_second_admits_more_than_the_budget_and_its_burst(per_s: int, gaps: list[float]) -> None:
    budget, now_s = JoinBudget(per_s), 100.0
    admitted: list[float] = []
    for gap in gaps:
        now_s += gap
        if budget.take(now_s) is None:
            admitted.append(now_s)
    for start in admitted:
        assert sum(start <= at < start + 1 for at in admitted) <= 1.5 * per_s + 2


@given(per_s=st.integers(1, 1000), asked=st.integers(1, 3000))
def test_who_is_refused_is_told_to_come_back_when_there_is_room(per_s: int, asked: int) -> None:
    budget = JoinBudget(per_s)
    told = [wait for _ in range(asked) if (wait := budget.take(50.0)) is not None]
    assert told == sorted(told)
    for second in range(1, MAX_RETRY_AFTER_S):
        assert told.count(second) <= per_s


def test_a_client_that_comes_back_as_told_is_admitted() -> None:
    budget, now_s, waiting = JoinBudget(20), 10.0, {10.0: 100}
    rounds = 0
    while waiting and rounds < 100:
        rounds += 1
        now_s = min(waiting)
        for _ in range(waiting.pop(now_s)):
            retry_after_s = budget.take(now_s)
            if retry_after_s is not None:
                waiting[now_s + retry_after_s] = waiting.get(now_s + retry_after_s, 0) + 1
    assert not waiting
    assert now_s < 30


def test_a_clock_that_stands_still_earns_nothing() -> None:
    budget = JoinBudget(2)
    assert budget.take(5.0) is None
    assert [budget.take(5.0), budget.take(4.0)] == [1, 2]
