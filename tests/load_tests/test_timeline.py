"""The plan of the show: what is due when, the same every time."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from load_tests.show.lines import BLOCKED
from load_tests.show.sections import SECTIONS, SHOW_MS, section_at, section_starts
from load_tests.show.timeline import (
    CARD_PULLED_MS,
    CARD_SHOWN_MS,
    Act,
    Buy,
    Pin,
    PullCard,
    Say,
    ShowCard,
    Tip,
    acts_between,
    card_is_up,
)

SEATS = 40


def moments(wanted: Callable[[Act], bool], loop: int = 0) -> list[int]:
    """Return the positions within a loop, to 100 ms, at which wanted acts are due."""
    start = loop * SHOW_MS
    return [
        at_ms
        for at_ms in range(0, SHOW_MS, 100)
        for act in acts_between(start + at_ms, start + at_ms + 100, SEATS)
        if wanted(act)
    ]


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=50), st.integers(0, 10 * SHOW_MS))
def test_however_time_is_cut_every_act_is_due_once(cuts: list[int], start_ms: int) -> None:
    pieces, at_ms = [], start_ms
    for cut in cuts:
        pieces += acts_between(at_ms, at_ms + cut, SEATS)
        at_ms += cut
    assert pieces == acts_between(start_ms, at_ms, SEATS)


def test_no_time_means_no_acts() -> None:
    assert acts_between(CARD_SHOWN_MS, CARD_SHOWN_MS, SEATS) == []


def test_comments_come_at_a_readable_pace() -> None:
    spoken = moments(lambda act: isinstance(act, Say))
    gaps = [after - before for before, after in pairwise(spoken)]
    assert 1_500 <= sum(gaps) / len(gaps) <= 3_000
    assert max(gaps) <= 6_000


def test_nobody_tips_while_the_card_is_shown() -> None:
    tipped = moments(lambda act: isinstance(act, Tip))
    assert tipped
    assert not any(card_is_up(at_ms - 3_000) or card_is_up(at_ms + 3_000) for at_ms in tipped)


def test_the_card_is_shown_and_pulled_once_a_loop() -> None:
    assert moments(lambda act: isinstance(act, ShowCard), loop=3) == [CARD_SHOWN_MS]
    assert moments(lambda act: isinstance(act, PullCard), loop=3) == [CARD_PULLED_MS]


def test_buyers_have_half_a_minute_to_finish_before_the_card_goes() -> None:
    bought = moments(lambda act: isinstance(act, Buy))
    assert bought
    assert min(bought) > CARD_SHOWN_MS
    assert max(bought) <= CARD_PULLED_MS - 30_000


def test_moderation_has_something_to_stop_in_every_loop() -> None:
    for loop in range(5):
        assert len(moments(lambda act: isinstance(act, Say) and act.text in BLOCKED, loop)) == 2


def test_only_what_was_asked_before_is_pinned() -> None:
    asked: set[str] = set()
    for act in acts_between(0, SHOW_MS, SEATS):
        if isinstance(act, Say) and act.kind == "question":
            asked.add(act.text)
        if isinstance(act, Pin) and act.text is not None:
            assert act.text in asked


def test_loops_differ_in_what_the_crowd_says() -> None:
    assert acts_between(0, SHOW_MS, SEATS) != acts_between(SHOW_MS, 2 * SHOW_MS, SEATS)


def test_sections_cover_three_minutes_in_order() -> None:
    assert SHOW_MS == 180_000
    for index, section in enumerate(SECTIONS):
        start = section_starts()[section.key]
        assert section_at(start) == (index, 0)
        assert section_at(SHOW_MS + start + section.duration_ms - 1) == (index, section.duration_ms - 1)
