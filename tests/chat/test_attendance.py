"""Views, visitors and watch time, time driven by hand."""

from hypothesis import given
from hypothesis import strategies as st

from chat.attendance import Totals, Visits


def test_time_watched_and_time_in_the_background_are_kept_apart() -> None:
    visits = Visits("gw/1")
    visits.enter("a", "ac_a", 100.0, fresh=True)
    visits.enter("b", "ac_b", 110.0, fresh=True)
    visits.hide("a", 120.0, hidden=True)
    visits.hide("a", 125.0, hidden=True)
    assert visits.totals(130.0) == Totals(2, 40_000, 10_000, 1)
    visits.hide("a", 130.0, hidden=False)
    visits.leave("b", 140.0)
    visits.leave("b", 150.0)
    assert visits.totals(140.0) == Totals(2, 60_000, 10_000, 0)


def test_a_return_goes_on_with_its_view_and_a_visitor_counts_once() -> None:
    visits = Visits("gw/1")
    visits.enter(1, "ac_a", 0.0, fresh=True)
    visits.leave(1, 10.0)
    visits.enter(2, "ac_a", 12.0, fresh=False)
    assert visits.totals(20.0) == Totals(1, 18_000, 0, 0)
    assert visits.take_new() == {"ac_a"}
    visits.enter(3, "ac_a", 21.0, fresh=True)
    assert visits.take_new() == set()
    visits.give_back({"ac_a"})
    assert visits.take_new() == {"ac_a"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "hide", "show", "leave"])), max_size=40))
def test_totals_never_fall_whatever_happens(steps: list[tuple[str, str]]) -> None:
    visits, before, present = Visits("gw/1"), Totals(0, 0, 0, 0), set()
    for second, (key, what) in enumerate(steps):
        if what == "enter" and key not in present:
            present.add(key)
            visits.enter(key, key, second, fresh=True)
        elif what == "leave":
            present.discard(key)
            visits.leave(key, second)
        else:
            visits.hide(key, second, hidden=what == "hide")
        now = visits.totals(second)
        assert now.views >= before.views
        assert now.watched_ms >= before.watched_ms
        assert now.hidden_ms >= before.hidden_ms
        assert 0 <= now.hidden_now <= len(present)
        before = now
