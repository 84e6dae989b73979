"""A peer's RTCP is read within a budget: what honest peers send passes, a flood does not."""

from hypothesis import given
from hypothesis import strategies as st

from streaming.feedback_budget import BURST_OCTETS, OCTETS_PER_S, FeedbackBudget


def test_a_viewer_with_every_other_packet_lost_is_always_heard() -> None:
    """150 NACKs a second of one packet each, a report and an estimate twice a second."""
    budget = FeedbackBudget()
    assert all(budget.admits(16, tick / 150) for tick in range(150 * 60))


@given(st.lists(st.tuples(st.integers(1, 2048), st.floats(0, 0.05)), min_size=1, max_size=300))
def test_no_more_is_read_than_the_burst_and_the_rate(flood: list[tuple[int, float]]) -> None:
    budget, now_s, read = FeedbackBudget(), 1000.0, 0
    for octets, wait_s in flood:
        now_s += wait_s
        read += octets * budget.admits(octets, now_s)
    assert read <= BURST_OCTETS + (now_s - 1000.0) * OCTETS_PER_S + 1


def test_after_a_flood_the_peer_is_heard_again() -> None:
    budget = FeedbackBudget()
    while budget.admits(2_000, 5.0):
        pass
    assert not budget.admits(2_000, 5.0)
    assert budget.admits(2_000, 5.1)
