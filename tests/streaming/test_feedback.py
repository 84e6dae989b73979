"""What a publisher is told: when its packets came, how many did not, and which to send again."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.feedback import MAX_REPORTED, ArrivalRecorder, LossTracker, ReceptionStatistics, build_arrivals
from streaming.rtcp import ReceptionReport, build_receiver_report, parse_rtcp


def read_arrivals(fci: bytes) -> tuple[int, int, list[float | None]]:
    """An independent reading of the draft's §3.1: (base sequence, feedback count, arrival times)."""
    base, count, reference = struct.unpack_from("!HHL", fci)
    position, symbols = 8, list[int]()
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", fci, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    at, times = (reference >> 8) * 0.064, list[float | None]()
    for symbol in symbols[:count]:
        if symbol == 0:
            times.append(None)
            continue
        size, form = (1, "!B") if symbol == 1 else (2, "!h")
        at += struct.unpack_from(form, fci, position)[0] * 250e-6
        position += size
        times.append(at)
    assert position == len(fci)
    return base, reference & 0xFF, times


@given(
    base=st.integers(0, 0xFFFF),
    start_s=st.floats(0, 100_000),
    steps=st.lists(st.one_of(st.none(), st.floats(-0.5, 3)), min_size=1, max_size=300),
)
def test_arrival_times_survive_the_wire_to_a_quarter_of_a_millisecond(
    base: int, start_s: float, steps: list[float | None]
) -> None:
    at, arrivals = start_s, list[float | None]([start_s])
    for step in steps:
        at = max(start_s, at + (step or 0))
        arrivals.append(None if step is None else at)
    read_base, count, read = read_arrivals(build_arrivals(base, arrivals, 7))
    assert (read_base, count, len(read)) == (base, 7, len(arrivals))
    for ours, theirs in zip(arrivals, read, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or theirs is None or abs(ours - theirs) < 0.0003


@given(numbers=st.lists(st.integers(0, 0xFFFF), max_size=400))
def test_any_order_of_arrivals_gives_feedback_that_can_be_read(numbers: list[int]) -> None:
    recorder = ArrivalRecorder()
    for index, number in enumerate(numbers):
        recorder.record(number, 1.0 + index / 1000)
        if index % 7 == 0 and (fci := recorder.take()) is not None:
            assert len(read_arrivals(fci)[2]) <= MAX_REPORTED


def test_a_gap_between_two_feedbacks_is_reported_as_lost() -> None:
    recorder = ArrivalRecorder()
    recorder.record(65_535, 1.0)
    assert recorder.take() is not None
    recorder.record(2, 1.01)
    fci = recorder.take()
    assert fci is not None
    base, _, times = read_arrivals(fci)
    assert base == 0
    assert [at is None for at in times] == [True, True, False]
    assert recorder.take() is None


def test_receiver_report_counts_losses_since_the_last_one() -> None:
    statistics = ReceptionStatistics(90_000)
    assert statistics.report_block(5, 0.0) is None
    for sequence in (65_534, 65_535, 0, 3):
        statistics.received(sequence, sequence * 3000, 0.0)
    block = statistics.report_block(5, 1.0)
    assert block is not None
    (report,) = parse_rtcp(build_receiver_report(1, [block]))
    assert isinstance(report, ReceptionReport)
    assert (report.packets_lost, report.fraction_lost) == (2, 2 * 256 // 6)
    assert report.highest_sequence == 65_536 + 3
    statistics.received(4, 0, 0.0)
    block = statistics.report_block(5, 2.0)
    assert block is not None
    (report,) = parse_rtcp(build_receiver_report(1, [block]))
    assert isinstance(report, ReceptionReport)
    assert report.fraction_lost == 0


def test_missing_packets_are_asked_for_until_their_deadline() -> None:
    tracker = LossTracker(deadline_s=1.0, retry_s=0.1, max_requests=8)
    tracker.received(65_534, 0.0)
    assert tracker.received(2, 0.0)
    assert tracker.due(0.0) == [65_535, 0, 1]
    assert tracker.due(0.05) == []
    tracker.received(0, 0.06)
    assert tracker.due(0.2) == [65_535, 1]
    assert tracker.due(1.0) == []
    assert tracker.missing == 0


def test_a_gap_too_large_to_repair_is_given_up_at_once() -> None:
    tracker = LossTracker(capacity=100)
    tracker.received(0, 0.0)
    assert not tracker.received(500, 0.0)
    assert tracker.missing == 0
    assert tracker.received(502, 0.0)
    assert tracker.due(0.0) == [501]


@given(sequences=st.lists(st.integers(0, 0xFFFF), max_size=500))
def test_the_list_of_missing_packets_is_bounded(sequences: list[int]) -> None:
    tracker = LossTracker(capacity=64)
    for index, sequence in enumerate(sequences):
        tracker.received(sequence, index / 100)
        assert tracker.missing <= 64
        assert len(tracker.due(index / 100)) <= 64


@pytest.mark.parametrize("tries", [1, 3])
def test_a_packet_is_not_asked_for_endlessly(tries: int) -> None:
    tracker = LossTracker(deadline_s=100.0, retry_s=0.1, max_requests=tries)
    tracker.received(0, 0.0)
    tracker.received(2, 0.0)
    asked = sum(bool(tracker.due(tick / 5)) for tick in range(50))
    assert asked == tries
