"""The soak's judgements: what grows is found, noise is not, and every event of a viewer is accounted for."""

import math
import os
import socket
from random import Random
from xml.etree import ElementTree

import aiohttp
import pytest

from load_tests.load.room_order import RoomOrder
from load_tests.soak.accounts import Account, Sent, reckon
from load_tests.soak.plot import draw
from load_tests.soak.samples import ANSWER, RSS, Log, Sampler
from load_tests.soak.steadiness import trend
from load_tests.soak.tipping import Tips
from load_tests.soak.verdict import rows

MINUTE_S = 60.0
NAMES = ("told", "sampled_out", "shed", "unaccounted", "repeated", "snapshots")


def samples(per_hour: float, noise: float, minutes: int = 20) -> tuple[list[float], list[float]]:
    chance = Random(7)
    times = [5.0 * n for n in range(int(minutes * MINUTE_S / 5))]
    return times, [100 + per_hour * at / 3600 + chance.gauss(0, noise) for at in times]


@pytest.mark.parametrize(
    ("per_hour", "noise", "found"),
    [
        (0, 0.5, "flat"),
        (5, 0.5, "flat"),
        (60, 0.5, "grows"),
        (-60, 0.5, "flat"),
        (60, 50, "unclear"),
        (0, 50, "unclear"),
    ],
)
def test_a_leak_is_told_from_noise(per_hour: float, noise: float, found: str) -> None:
    line = trend(*samples(per_hour, noise), warm_up_s=5 * MINUTE_S)
    assert line is not None
    assert line.judged(20.0) == found


def test_what_grows_only_while_it_warms_up_is_flat() -> None:
    times, values = samples(0, 0.1)
    values = [value - 50 * math.exp(-at / MINUTE_S) for at, value in zip(times, values, strict=True)]
    cold, warm = trend(times, values, 0.0), trend(times, values, 6 * MINUTE_S)
    assert cold is not None
    assert warm is not None
    assert cold.judged(20.0) != "flat"
    assert warm.judged(20.0) == "flat"


def test_too_few_samples_say_nothing() -> None:
    assert trend([0.0, 5.0, 10.0], [1.0, 1.0, 1.0], 0.0) is None
    assert trend([], [], 0.0) is None


def test_a_figure_that_a_process_does_not_have_is_not_judged() -> None:
    log = Log()
    for at, value in zip(*samples(0, 0.1), strict=True):
        log.note("gateway-1", at, {RSS: value})
        log.note("valkey", at, {RSS: value, ANSWER: value})
    assert {(row.process, row.measure) for row in rows(log, 0.0)} == {
        ("gateway-1", RSS), ("valkey", RSS), ("valkey", ANSWER),
    }  # fmt: skip


def viewer(order: RoomOrder, *comments: str) -> Account:
    account = Account(order)
    account.welcomed(recovered=False, returned=False)
    for comment in comments:
        account.comment(comment)
    return account


def test_every_event_is_told_or_left_out_by_name() -> None:
    order, sent = RoomOrder(), Sent(comments=4, tips=1, cards=2)
    whole = viewer(order, "a", "b", "c", "d")
    sampled = viewer(order, "a", "c")
    sampled.position(2, 0, lost=False)
    lost = viewer(order, "a", "b", "d")
    for account in (whole, sampled, lost):
        account.tip()
        account.card_shown(5)
        account.card_pulled()
    found = reckon([(whole, True), (sampled, True), (lost, True)], sent)
    assert [getattr(found, name) for name in NAMES] == [7 + 5 + 6, 2, 0, 1, 0, 0]
    assert not found.sound
    assert reckon([(whole, True), (sampled, True)], sent).sound
    assert not reckon([(whole, False)], sent).sound


def test_a_repeat_does_not_make_up_for_what_is_missing() -> None:
    order = RoomOrder()
    whole, twice = viewer(order, "a", "b"), viewer(order, "a", "a")
    found = reckon([(whole, True), (twice, True)], Sent(2, 0, 0))
    assert (found.unaccounted, found.repeated, found.sound) == (0, 1, False)


def test_a_must_is_never_made_up_for_by_what_was_shed() -> None:
    account = viewer(RoomOrder())
    account.position(0, 1, lost=False)
    assert reckon([(account, True)], Sent(0, 0, 1)).unaccounted == 1


def test_a_return_to_a_snapshot_is_not_passed_off_as_complete() -> None:
    account = viewer(RoomOrder(), "a")
    account.welcomed(recovered=True, returned=True)
    account.welcomed(recovered=False, returned=True)
    found = reckon([(account, True)], Sent(1, 0, 0))
    assert (found.recovered, found.snapshots, found.sound) == (1, 1, False)


def test_a_tip_is_said_with_one_id_until_it_is_answered() -> None:
    tips = Tips("r")
    first = tips.next(1)
    assert tips.unanswered == [first]
    tips.answer({"type": "error", "id": first["id"], "code": "unavailable"})
    tips.answer({"type": "ack", "id": "another"})
    assert tips.unanswered == [first]
    tips.answer({"type": "ack", "id": first["id"]})
    tips.answer({"type": "ack", "id": first["id"]})
    tips.answer({"type": "error", "id": tips.next(1)["id"], "code": "tips_off"})
    assert (tips.unanswered, tips.acked, tips.refused) == ([], 1, 1)


def test_the_picture_is_an_svg_with_a_line_a_process() -> None:
    times, values = samples(10, 1, minutes=30)
    drawn = draw("A <soak>", {"memory & more": {"gateway-1": (times, values), "api": (times, values)}}, 60.0)
    lines = ElementTree.fromstring(drawn).findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    assert len(drawn) < 10_000


async def test_an_admin_port_that_does_not_answer_in_time_is_counted_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("load_tests.soak.samples._TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sampler = Sampler(os.getpid(), f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with aiohttp.ClientSession() as session:
            await sampler.look(session)
            await sampler.look(session)
    assert sampler.late_answers == 2


def test_the_loops_lag_is_that_since_the_sample_before() -> None:
    sampler = Sampler(os.getpid(), "")
    name = "wealthcast_event_loop_lag_seconds"
    assert sampler._lag_ms(7, f"{name}_sum 2.0\n{name}_count 1000.0\n") == 2.0
    assert sampler._lag_ms(7, f"{name}_sum 3.0\n{name}_count 1100.0\n") == 10.0
    assert sampler._lag_ms(7, "other 1\n") is None


def test_a_store_that_fills_for_a_quarter_of_an_hour_is_judged_by_what_comes_after() -> None:
    log = Log()
    for second in range(0, 1_500, 10):
        for process in ("valkey", "gateway-1"):
            log.note(process, float(second), {RSS: min(second, 950) / 100})
    verdicts = {row.process: row.steady for row in rows(log, 60.0)}
    assert verdicts["valkey"] == "flat"
    assert verdicts["gateway-1"] != "flat"
