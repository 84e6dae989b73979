"""Lost packets come again from the ring, by RTX where the viewer takes it, within a budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.forwarding import Lane, RelayedPacket
from streaming.retransmission import AGAIN_AFTER_S, FEW, MOST_AGAIN, PacketRing, Repeater
from streaming.rtp import parse_rtp, unwrap_rtx


def packet(sequence: int, arrived_s: float = 0.0) -> RelayedPacket:
    return RelayedPacket(sequence, sequence * 10, b"payload %d" % sequence, sequence % 2 == 0, False, arrived_s)


def filled_ring(highest: int, capacity: int = 64) -> PacketRing:
    ring = PacketRing(capacity, max_age_s=2.0, max_bytes=100_000)
    for sequence in range(1, highest + 1):
        assert ring.put(packet(sequence))
    return ring


def lane_from(first: int) -> Lane[None]:
    lane = Lane(None, ssrc=11, payload_type=96)
    lane.begin(packet(1), first, 0)
    return lane


@given(sequences=st.lists(st.integers(1, 500), max_size=300))
def test_the_ring_gives_only_what_it_was_given_and_stays_bounded(sequences: list[int]) -> None:
    ring = PacketRing(64, max_age_s=2.0, max_bytes=100_000)
    for sequence in sequences:
        ring.put(packet(sequence))
    for sequence in range(1, 501):
        held = ring.get(sequence, 0.0)
        assert held is None or (held.sequence == sequence and sequence in sequences)


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 1500), st.floats(0.0, 0.2)), min_size=1, max_size=200),
    st.integers(1_500, 20_000),
)
def test_the_ring_is_bounded_in_bytes_and_time_and_keeps_the_newest(
    walk: list[tuple[int, int, float]], most: int
) -> None:
    ring, now_s, taken = PacketRing(64, max_age_s=2.0, max_bytes=most), 0.0, {}
    for sequence, size, wait_s in walk:
        now_s += wait_s
        packet = RelayedPacket(sequence, 0, bytes(size), True, False, now_s)
        if ring.put(packet):
            taken[sequence] = packet
            assert ring.get(sequence, now_s) in (packet, None)
        held = [p for s in taken if (p := ring.get(s, 0.0)) is not None]
        assert sum(len(p.payload) for p in held) == ring.payload_bytes <= most
        newest = max(taken)
        assert ring.get(newest, taken[newest].arrived_s) is taken[newest]


def test_a_duplicate_of_a_packet_that_was_let_go_is_not_forwarded_again() -> None:
    ring = PacketRing(64, max_age_s=2.0, max_bytes=100_000)
    for sequence, at_s in ((1, 0.0), (2, 0.0), (4, 3.0)):
        assert ring.put(packet(sequence, at_s))
    assert not ring.put(packet(1, 3.0))
    assert not ring.put(packet(2, 3.0))
    assert ring.put(packet(3, 3.0))


def test_a_duplicate_is_not_forwarded_twice() -> None:
    ring = PacketRing(64, max_age_s=2.0, max_bytes=100_000)
    assert ring.put(packet(5))
    assert not ring.put(packet(5))


def test_old_packets_are_not_worth_sending_again() -> None:
    ring = PacketRing(64, max_age_s=2.0, max_bytes=100_000)
    ring.put(packet(5, arrived_s=0.0))
    assert ring.get(5, 2.0) is not None
    assert ring.get(5, 2.1) is None


@given(first=st.integers(0, 0xFFFF), lost=st.integers(2, 60))
def test_a_nack_is_answered_by_rtx_with_the_viewers_own_number(first: int, lost: int) -> None:
    lane, ring = lane_from(first), filled_ring(60)
    asked = lane.sequence_of(packet(lost))
    repeater = Repeater(22, 100, 400)
    (answer,) = repeater.repeat(lane, 97, (asked,), ring, 60, 1.0)
    assert repeater.again(1.0 + AGAIN_AFTER_S / 2) == []
    (again,) = repeater.again(1.0 + 2 * AGAIN_AFTER_S)
    assert not repeater.waits
    rtx, second = parse_rtp(answer), parse_rtp(again)
    assert (second.sequence, second.payload) == (102, rtx.payload), "a few go twice: chance strikes repetitions too"
    assert (rtx.ssrc, rtx.payload_type, rtx.sequence) == (22, 97, 101)
    inner = unwrap_rtx(rtx, 96, 11)
    assert inner is not None
    assert inner.sequence == asked
    assert inner.payload == b"payload %d" % lost
    assert inner.timestamp == lane.timestamp_of(lost * 10)


def test_without_rtx_the_packet_comes_again_as_it_was() -> None:
    lane, ring = lane_from(7), filled_ring(10)
    (answer,) = Repeater(22, 100, 400).repeat(lane, None, (8,), ring, 10, 1.0)
    again = parse_rtp(answer)
    assert (again.ssrc, again.payload_type, again.sequence, again.payload) == (11, 96, 8, b"payload 2")


def test_a_nack_flood_is_answered_within_the_budget_only() -> None:
    lane, ring = lane_from(1), filled_ring(60)
    repeater = Repeater(22, 100, budget_per_s=10, hold_s=0.0)
    asked = tuple(range(1, 61))
    times = [0.5 + tick / 1000 for tick in range(1000)]
    sent = sum(len(repeater.repeat(lane, 97, asked, ring, 60, at) + repeater.again(at)) for at in times)
    assert 10 <= sent <= 21


def test_the_same_packet_is_not_repeated_at_once() -> None:
    lane, ring = lane_from(1), filled_ring(10)
    repeater = Repeater(22, 100, 400, hold_s=0.02)
    assert len(repeater.repeat(lane, 97, (5, 5, 5), ring, 10, 1.0)) == 1
    assert repeater.repeat(lane, 97, (5,), ring, 10, 1.01) == []
    assert len(repeater.repeat(lane, 97, (5,), ring, 10, 1.03)) == 1


def test_many_that_were_lost_at_once_go_once_so_that_a_bottleneck_gets_no_more() -> None:
    lane, ring = lane_from(1), filled_ring(10)
    repeater = Repeater(22, 100, 400)
    answers = repeater.repeat(lane, 97, tuple(range(1, FEW + 2)), ring, 10, 1.0)
    assert len(answers) == FEW + 1
    assert not repeater.waits


def test_second_copies_that_nobody_fetches_are_bounded() -> None:
    lane, ring = lane_from(1), filled_ring(60)
    repeater = Repeater(22, 100, 400)
    for sequence in range(1, 60):
        repeater.repeat(lane, 97, (sequence,), ring, 60, 1.0)
    assert len(repeater.again(2.0)) == MOST_AGAIN
