"""What a load run decides without I/O: shapes, thresholds, saturation, who missed what, what gave way first."""

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.moderation import Moderator
from chat.phrase_list import shipped_phrases
from load_tests.load.__main__ import arguments, planned
from load_tests.load.amounts import amount_minor
from load_tests.load.chart import lines
from load_tests.load.histogram import Histogram, merged
from load_tests.load.limits import Look, reached
from load_tests.load.plan import SHAPES, default_thresholds, moment, strikes_at_s
from load_tests.load.room_order import Follower, RoomOrder
from load_tests.load.saturation import Generator, machine_verdict, verdict
from load_tests.load.summary import Measured, summarise
from load_tests.load.thresholds import BadThreshold, judge, over, parse, passed
from load_tests.load.watch import (
    COUNTED,
    SLOW_CLOSES,
    Sample,
    cores_between,
    figures_between,
    memory_between,
    read_metrics,
)
from load_tests.load.wording import number_of, numbered
from server.metrics.families import FAMILIES

MODERATOR = Moderator(shipped_phrases())
CARD = {"minimum_minor": 100_000, "increment_minor": 10_000, "customer_maximum_minor": 50_000_000}


def options(*words: str) -> argparse.Namespace:
    return arguments().parse_args(list(words))


@pytest.mark.parametrize("text", ["delivery_p99_ms", "p99<=fast", "<=3", "a<=1;b<=2", "Delivery<=1"])
def test_what_is_no_threshold_is_refused_with_how_one_is_written(text: str) -> None:
    with pytest.raises(BadThreshold, match="write FIGURE<=NUMBER"):
        parse(text)


def test_a_threshold_holds_up_to_its_limit_and_no_further() -> None:
    thresholds = [parse("delivery_p99_ms<=500"), parse("received>=10"), parse("repeated == 0")]
    assert passed(judge(thresholds, {"delivery_p99_ms": 500.0, "received": 10, "repeated": 0}))
    for wrong in ({"delivery_p99_ms": 500.1}, {"received": 9}, {"repeated": 1}):
        assert not passed(judge(thresholds, {"delivery_p99_ms": 1.0, "received": 11, "repeated": 0} | wrong))


def test_a_figure_that_somebody_asked_for_by_name_has_to_be_there() -> None:
    assert not passed(judge([parse("order_p99_ms<=500")], {}))
    defaults = default_thresholds(SHAPES["steady"])
    assert [one.ok for one in judge(defaults, {})] == [None] * len(defaults)


def test_a_threshold_of_ones_own_takes_the_place_of_the_default() -> None:
    taken = over(default_thresholds(SHAPES["steady"]), [parse("delivery_p99_ms<=50")])
    assert [str(one) for one in taken if one.figure == "delivery_p99_ms"] == ["delivery_p99_ms <= 50"]
    assert "order_p99_ms" in {one.figure for one in taken}


def test_a_generator_that_was_late_or_full_or_sent_too_little_says_so() -> None:
    assert verdict(Generator("probe", 0.5, late_p99_ms=10, sent_share=1.0)) == []
    assert verdict(Generator("probe", 0.95)) == ["probe used 0.95 of 1 cores"]
    assert verdict(Generator("probe", 0.5, late_p99_ms=80)) == ["probe was 80 ms late at p99"]
    assert verdict(Generator("probe", 0.5, sent_share=0.9)) == ["probe sent 90.0% of what it should"]
    assert machine_verdict(0.97) == ["the generator's machine was 97% busy"]
    assert machine_verdict(None) == machine_verdict(0.5) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_ends_and_has_everybody_at_some_time(shape: str) -> None:
    moments = [moment(shape, second, 120, 100) for second in range(130)]
    assert all(one is None for one in moments[120:])
    users = [one.users for one in moments[:120] if one is not None]
    assert len(users) == 120
    assert max(users) == 100
    assert min(users) >= 1


def test_ramp_rises_spike_leaps_and_falls_back() -> None:
    ramp = [one.users for second in range(120) if (one := moment("ramp", second, 120, 100))]
    assert ramp == sorted(ramp)
    assert (ramp[0], ramp[-1]) == (1, 100)
    spike = [one.users for second in range(120) if (one := moment("spike", second, 120, 100))]
    assert (spike[10], spike[60], spike[110]) == (20, 100, 20)


def test_only_storm_and_rush_strike_half_way() -> None:
    struck = {shape for shape, plan in SHAPES.items() if strikes_at_s(plan) is not None}
    assert struck == {"storm", "rush"}


def test_users_scale_everybody_and_single_numbers_win() -> None:
    plan = planned(options("everything", "--users", "552", "--media", "3", "--minutes", "0.5"))
    assert 0.9 * 552 < plan.people < 1.1 * 552
    assert (plan.media, plan.seconds) == (3, 30)
    assert plan.crowd == round(5_000 * 552 / SHAPES["everything"].people)
    everything = SHAPES["everything"]
    assert (everything.crowd, everything.media, everything.buyers) == (5_000, 200, 500)


def follow(order: RoomOrder, *ids: str) -> Follower:
    follower = Follower(order)
    for comment_id in ids:
        follower.comment(comment_id)
    return follower


def test_who_hears_everything_once_and_in_order_missed_nothing() -> None:
    order = RoomOrder()
    first, second = follow(order, *"abcd"), follow(order, *"abcd")
    for one in (first, second):
        one.ends()
        assert (one.heard.received, one.heard.missed, one.heard.repeated, one.heard.reordered) == (4, 0, 0, 0)


@pytest.mark.parametrize(
    ("ids", "missed", "repeated", "reordered"),
    [("acd", 1, 0, 0), ("abbcd", 0, 1, 0), ("acbd", 0, 0, 1), ("ab", 2, 0, 0), ("abcda", 0, 1, 0)],
)
def test_a_gap_a_repeat_and_a_late_one_are_told_apart(ids: str, missed: int, repeated: int, reordered: int) -> None:
    order = RoomOrder()
    follow(order, *"abcd")
    odd = follow(order, *ids)
    odd.ends()
    assert (odd.heard.missed, odd.heard.repeated, odd.heard.reordered) == (missed, repeated, reordered)


def test_a_return_goes_on_where_it_was_or_begins_with_the_snapshot() -> None:
    order = RoomOrder()
    follow(order, *"abcdef")
    recovered, fresh = follow(order, *"ab"), follow(order, *"ab")
    recovered.welcomed(recovered=True, returned=True)
    fresh.welcomed(recovered=False, returned=True)
    for one in (recovered, fresh):
        one.comment("e")
    assert (recovered.heard.missed, recovered.heard.recovered) == (2, 1)
    assert (fresh.heard.missed, fresh.heard.snapshots) == (0, 1)


def test_a_newcomer_who_is_ahead_of_the_others_puts_nobody_out_of_order() -> None:
    order = RoomOrder()
    early, newcomer = Follower(order, busy=True), Follower(order, busy=True)
    for comment_id in "ab":
        early.comment(comment_id)
    newcomer.comment("d")  # c is in its snapshot, and nobody else has read it yet
    for comment_id in "cdef":
        early.comment(comment_id)
    for comment_id in "eg":
        newcomer.comment(comment_id)
    for one, received, missed in ((early, 6, 0), (newcomer, 2, 1)):
        assert (one.heard.received, one.heard.missed, one.heard.reordered) == (received, missed, 0)


def test_when_all_who_had_found_their_place_left_the_next_ones_begin_anew() -> None:
    order = RoomOrder()
    early, late = Follower(order, busy=True), Follower(order, busy=True)
    early.comment("a")
    early.gone()
    for comment_id in "xy":
        late.comment(comment_id)
    assert (late.heard.received, order.last) == (2, 2)


def test_what_the_room_says_it_shed_is_no_undeclared_gap() -> None:
    order = RoomOrder()
    follow(order, *"abcd")
    slow = follow(order, *"ad")
    assert slow.heard.undeclared == 2
    slow.position(0, 2, lost=False)
    assert (slow.heard.undeclared, slow.heard.shed) == (0, 2)


@given(st.lists(st.floats(0.02, 60_000), min_size=1, max_size=300), st.floats(0.01, 1))
def test_percentiles_are_right_within_two_percent_and_merge(times: list[float], share: float) -> None:
    whole, halves = Histogram(), [Histogram(), Histogram()]
    for index, ms in enumerate(times):
        whole.add(ms)
        halves[index % 2].add(ms)
    exact = sorted(times)[max(1, -(-int(share * 1e6) * len(times) // 10**6)) - 1]
    found = whole.percentile(share)
    assert found is not None
    assert exact * 0.98 <= found <= max(times)
    assert merged(half.packed() for half in halves).percentile(share) == found


@given(st.integers(0, 1 << 62))
def test_comments_carry_their_number_and_pass_moderation(number: int) -> None:
    assert number_of(numbered(number)) == number
    assert MODERATOR.judge(numbered(number)).verdict == "pass"
    assert number_of("来看直播") is number_of("") is number_of("来看") is None


def test_a_fifth_of_the_orders_break_a_rule_of_the_card() -> None:
    asked = [amount_minor(CARD, number) for number in range(500)]
    good = [a for a in asked if a >= 100_000 and a % 10_000 == 0 and a <= 50_000_000]
    assert len(good) == 390
    assert len(set(good)) > 10


def look(at_s: float, **cores: float) -> Look:
    return Look(at_s, 0.5, cores, 0)


def test_what_gave_way_first_stands_first_and_a_single_peak_is_none() -> None:
    looks = [
        look(second, gateway=0.95 if second >= 4 else 0.2, api=0.99 if second == 2 else 0.1) for second in range(9)
    ]
    found = reached(looks, {second: 900.0 if second >= 2 else 100.0 for second in range(9)})
    assert [one.what for one in found] == ["delivery: p99 over 500 ms", "gateway: a core full"]
    assert [one.at_s for one in found] == [2, 4]


def sample(at_s: float, cpu_s: float, rss: float, connections: float, kernel: int, crowd_s: float) -> Sample:
    row = {
        "process_cpu_seconds_total": cpu_s,
        "process_resident_memory_bytes": rss,
        "wealthcast_gateway_connections": connections,
    }
    return Sample(
        at_s, {"gateway-1": row, "api": {"process_cpu_seconds_total": cpu_s}}, 0.0, {"crowd": crowd_s}, kernel
    )


def test_cpu_a_delivery_and_memory_a_connection_are_the_gateways_alone() -> None:
    first, last = sample(0, 1.0, 50e6, 0, 4096, 0.0), sample(10, 3.0, 51e6, 100, 4096 + 300_000, 5.0)
    assert figures_between(first, last, 1_000_000)["cpu_us_per_delivery"] == pytest.approx(2.0)
    assert memory_between(first, last) == {"rss_per_connection_bytes": 10_000, "kernel_per_connection_bytes": 3_000}
    assert cores_between(first, last) == {"api": 0.2, "gateway-1": 0.2, "load crowd": 0.5}


def test_a_process_that_was_started_in_between_counts_from_nought() -> None:
    first, last = sample(0, 1.0, 0, 0, 0, 0.0), sample(10, 1.0, 0, 0, 0, 0.0)
    last.generator_s["locust"] = 4.0
    assert cores_between(first, last)["load locust"] == 0.4


def test_metrics_of_all_labels_are_added_up_and_others_left_alone() -> None:
    shed = "wealthcast_gateway_shed_total"
    text = f'# HELP x\n{shed}{{class="may"}} 2\n{shed}{{class="x"}} 3.0\nother 9\n'
    assert read_metrics(text) == {"wealthcast_gateway_shed_total": 5.0}


def test_a_metric_counted_with_a_label_is_that_label_alone() -> None:
    text = f"{SLOW_CLOSES} 2.0\n{SLOW_CLOSES.replace('slow', 'flood')} 7.0\n"
    assert read_metrics(text) == {SLOW_CLOSES: 2.0}


def test_every_metric_that_a_run_reads_is_one_of_the_programs() -> None:
    ours = {name.partition("{")[0] for name in COUNTED if name.startswith("wealthcast_")}
    assert ours
    assert ours <= {family.shown for family in FAMILIES}


def test_who_was_closed_for_not_reading_counts_though_they_heard_no_bye() -> None:
    nobody = {"handshakes": {}, "failures": {}, "slow_closes": 0}
    assert summarise(Measured(locust=nobody, server={"gateway_slow_closes": 3}))["slow_closes"] == 3


def orders(**books: int) -> dict[str, Any]:
    times = Histogram()
    times.add(12.0)
    told = {
        "told": ["or_1"], "results": {"reserved": 1}, "submitted": {}, "order_ms": times.packed(),
        "submit_ms": {}, "asked": 3, "unanswered": 1, "contradictions": 0,
    }  # fmt: skip
    nobody = {"handshakes": {}, "failures": {"x": 2}, "orders": told}
    return summarise(Measured(locust=nobody, books={"orders_lost": 0, "orders_untold": 0} | books))


def test_an_order_that_nobody_asked_for_is_doubled_and_one_without_an_answer_is_not() -> None:
    assert orders(orders_untold=1)["orders_doubled"] == 0
    assert orders(orders_untold=2)["orders_doubled"] == 1
    assert orders()["errors"] == 2


def test_a_chart_without_points_says_so_and_names_are_escaped() -> None:
    assert "Nothing was measured" in lines({"p50": []}, "ms")
    drawn = lines({"a<b": [(0, 1.0), (1, 2.0)]}, "ms", [(0.5, "cut")])
    assert "a&lt;b" in drawn
    assert drawn.count("<polyline") == 1
