"""How many comments viewers are shown, and whose."""

from hypothesis import given
from hypothesis import strategies as st

from chat.sampling import Sampler


def test_below_the_readable_rate_nothing_is_left_out() -> None:
    sampler = Sampler(15)
    assert all(sampler.shows(f"ac_{i % 3}", 10_000 + i * 100) for i in range(200))


def test_one_who_writes_a_burst_alone_is_shown() -> None:
    sampler = Sampler(15)
    assert all(sampler.shows("ac_a", 10_000) for _ in range(10))


def test_above_it_no_more_are_shown_than_can_be_read() -> None:
    sampler = Sampler(15)
    shown = sum(sampler.shows(f"ac_{i % 400}", 10_000 + i * 5) for i in range(2_000))  # 10 s at 200 a second
    assert 150 <= shown <= 165


def test_a_flood_does_not_crowd_out_the_others() -> None:
    sampler, shown = Sampler(15), {"flood": 0, "others": 0}
    said = [(10_000 + i * 10, "flood") for i in range(1_000)]
    said += [(10_000 + i * 100 + 3, f"ac_{i % 20}") for i in range(100)]
    for now_ms, author in sorted(said):
        shown["flood" if author == "flood" else "others"] += sampler.shows(author, now_ms)
    assert shown["others"] == 100


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-50, 500)), max_size=200), st.integers(1, 30))
def test_whatever_comes_the_rate_holds(said: list[tuple[str, int]], rate: int) -> None:
    sampler, now_ms, latest, shown = Sampler(rate), 10_000, 10_000, 0
    for author, pause_ms in said:
        now_ms += pause_ms
        latest = max(latest, now_ms)
        shown += sampler.shows(author, now_ms)
        assert shown <= rate + rate * (latest - 10_000) / 1_000


def test_a_rate_of_nought_shows_everything() -> None:
    sampler = Sampler(0)
    assert all(sampler.shows("ac_a", 0) for _ in range(1_000))
