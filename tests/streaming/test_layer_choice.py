"""A viewer's layer follows what its link carries: quickly down, carefully up, and without flapping."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.layer_choice import LONGEST_RETRY_S, LONGEST_RETURN_S, SETTLE_S, LayerChoice, LayerRate

RATES = [LayerRate(0, 150_000), LayerRate(1, 500_000), LayerRate(2, 1_500_000)]
STEP_S = 0.25


@dataclass
class Link:
    """A viewer behind a bottleneck, reporting as Chrome does: its estimate is bounded by what arrives."""

    capacity_bps: float
    random_loss: float = 0.0
    choice: LayerChoice = field(default_factory=LayerChoice)
    now_s: float = 100.0
    estimate_bps: float = 300_000.0
    changes: list[tuple[float, int | None]] = field(default_factory=list)

    def run(self, seconds: float, rates: list[LayerRate] = RATES) -> None:
        for step in range(int(seconds / STEP_S)):
            before = self.choice.wanted
            wanted = self.choice.choose(rates, self.now_s)
            if wanted != before:
                self.changes.append((self.now_s, wanted))
                self.choice.arrived(self.now_s + 0.1)
            self.now_s += STEP_S
            if step % 4 == 3:
                self._report(48_000 + sum(rate.bitrate_bps for rate in rates if rate.layer == wanted))

    def _report(self, sent_bps: float) -> None:
        received = min(sent_bps, self.capacity_bps)
        if sent_bps > self.capacity_bps:
            self.estimate_bps = 0.85 * received
        else:
            self.estimate_bps = min(self.estimate_bps * 1.08, 1.5 * received + 10_000)
        self.choice.estimated(int(self.estimate_bps), self.now_s)
        self.choice.lost(1 - received / sent_bps * (1 - self.random_loss), self.now_s)


def test_a_viewer_with_room_gets_the_best_layer_within_seconds_and_keeps_it() -> None:
    link = Link(capacity_bps=5_000_000)
    link.run(10)
    assert link.choice.wanted == 2
    link.run(600)
    assert [layer for _, layer in link.changes] == [1, 2]


def test_a_link_that_shrinks_is_followed_down_at_once_and_up_again() -> None:
    link = Link(capacity_bps=5_000_000)
    link.run(20)
    link.capacity_bps, since_s = 800_000, link.now_s
    link.run(3)
    assert link.choice.wanted == 1
    assert link.changes[-1][0] - since_s <= 2
    link.capacity_bps = 5_000_000
    link.run(12)
    assert link.choice.wanted == 2


@given(capacity=st.integers(600_000, 1_500_000))
def test_a_step_that_does_not_fit_is_tried_ever_more_seldom(capacity: int) -> None:
    link = Link(capacity_bps=capacity)
    link.run(600)
    tries = [at for at, layer in link.changes if layer == 2]
    assert len(tries) <= 13
    on_top = sum(at2 - at for (at, layer), (at2, _) in zip(link.changes, link.changes[1:], strict=False) if layer == 2)
    assert on_top <= 200


@given(capacity=st.integers(60_000, 1_500_000), narrow_s=st.integers(5, 400))
def test_a_viewer_whose_network_has_recovered_climbs_in_bounded_time_though_its_estimate_follows_what_it_gets(
    capacity: int, narrow_s: int
) -> None:
    link = Link(capacity_bps=capacity)
    link.run(narrow_s)
    link.capacity_bps = 5_000_000
    link.run(LONGEST_RETURN_S + LONGEST_RETRY_S + 15)
    assert link.choice.wanted == 2


def test_five_percent_of_random_loss_costs_no_layer() -> None:
    link = Link(capacity_bps=5_000_000, random_loss=0.05)
    link.run(60)
    assert link.choice.wanted == 2
    assert len(link.changes) == 2


def test_a_bottleneck_shows_in_the_nacks_before_anything_is_reported() -> None:
    link = Link(capacity_bps=5_000_000)
    link.run(20)
    assert link.choice.wanted == 2
    for _ in range(4):  # five percent of 170 packets a second, asked for once or twice
        link.choice.nacked(4, link.now_s)
        link.run(STEP_S)
    assert link.choice.wanted == 2
    link.choice.nacked(40, link.now_s)
    assert link.choice.choose(RATES, link.now_s) == 1


def test_a_viewer_below_the_lowest_layer_keeps_sound_and_comes_back_by_itself() -> None:
    link = Link(capacity_bps=5_000_000)
    link.run(10)
    link.capacity_bps = 80_000
    link.run(12)
    starved = [at for at, layer in link.changes if layer is None]
    assert starved
    link.run(300)
    assert len([at for at, layer in link.changes if layer is None]) - len(starved) <= 10
    link.capacity_bps = 5_000_000
    link.run(60)
    assert not link.choice.starved
    assert link.choice.wanted == 2


def test_a_layer_that_ends_is_left_at_once() -> None:
    link = Link(capacity_bps=5_000_000)
    link.run(10)
    assert link.choice.choose(RATES[:2], link.now_s) != 2


def test_without_any_feedback_the_best_layer_is_reached() -> None:
    choice, now_s = LayerChoice(), 0.0
    for _ in range(40):
        if choice.choose(RATES, now_s) is not None:
            now_s += STEP_S
    assert choice.wanted == 2


def test_an_estimate_that_stays_below_the_layer_is_obeyed() -> None:
    choice, now_s = LayerChoice(), 0.0
    for _ in range(100):
        choice.choose(RATES, now_s)
        choice.estimated(300_000, now_s)
        now_s += STEP_S
    assert choice.wanted == 0


@settings(max_examples=200)
@given(st.data())
def test_whatever_is_reported_the_choice_is_a_flowing_layer_and_changes_keep_their_distance(
    data: st.DataObject,
) -> None:
    choice, now_s, changed_s = LayerChoice(), 0.0, float("-inf")
    for _ in range(60):
        now_s += data.draw(st.floats(0.0, 2.0))
        act = data.draw(st.sampled_from(["estimate", "loss", "choose", "choose", "arrived"]))
        if act == "estimate":
            choice.estimated(data.draw(st.integers(0, 1 << 40)), now_s)
        elif act == "loss":
            choice.lost(data.draw(st.floats(0.0, 1.0)), now_s)
        elif act == "arrived":
            choice.arrived(now_s)
        else:
            before = choice.wanted
            wanted = choice.choose(RATES, now_s)
            assert wanted in (None, 0, 1, 2)
            if wanted != before and before is not None:
                assert now_s - changed_s >= SETTLE_S
            changed_s = now_s if wanted != before else changed_s
