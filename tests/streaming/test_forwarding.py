"""The line of sequence numbers and timestamps stays whole, whatever the publisher does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.forwarding import Lane, RelayedPacket, Splice, signed_16

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)


def packet(sequence: int, timestamp: int = 0) -> RelayedPacket:
    return RelayedPacket(sequence, timestamp, b"x", False, False, 0.0)


@given(first=U16, count=st.integers(1, 70_000), step=st.integers(1, 2999))
def test_sequence_goes_on_without_a_seam_when_the_publishers_wraps(first: int, count: int, step: int) -> None:
    splice = Splice(90_000)
    placed = [
        splice.place("a", (first + i * step) & 0xFFFF, (i * 3000) & 0xFFFFFFFF, i / 30) for i in range(min(count, 200))
    ]
    assert [p[0] for p in placed if p] == [1 + i * step for i in range(len(placed))]


@given(start=U16, offsets=st.permutations(range(20)))
def test_reordered_packets_keep_their_distance(start: int, offsets: list[int]) -> None:
    splice = Splice(90_000)
    splice.place("a", start, 0, 0.0)
    for offset in offsets:
        placed = splice.place("a", (start + offset) & 0xFFFF, offset, 0.0)
        assert placed is not None
        assert placed[0] == 1 + offset


@given(sources=st.lists(st.tuples(U16, U32, st.integers(1, 50), st.floats(0.001, 20)), min_size=2, max_size=6))
def test_a_new_publisher_continues_sequence_and_timestamp(sources: list[tuple[int, int, int, float]]) -> None:
    splice = Splice(90_000)
    now_s, before = 0.0, None
    for source, (sequence, timestamp, count, pause_s) in enumerate(sources):
        now_s += pause_s
        for i in range(count):
            placed = splice.place(source, (sequence + i) & 0xFFFF, (timestamp + i * 3000) & 0xFFFFFFFF, now_s)
            assert placed is not None
            if before is not None:
                assert placed[0] == before[0] + 1
                passed = (placed[1] - before[1]) & 0xFFFFFFFF
                assert abs(passed - (3000 if i else max(1, pause_s * 90_000))) <= 2
            before = placed


def test_a_packet_from_before_the_sources_start_is_left_out() -> None:
    splice = Splice(90_000)
    splice.place("old", 10, 0, 0.0)
    splice.place("new", 100, 0, 1.0)
    assert splice.place("new", 99, 0, 1.0) is None
    assert splice.place("new", 101, 0, 1.0) == (3, 90_000)


def test_a_jump_beyond_the_dropout_counts_as_a_new_beginning() -> None:
    splice = Splice(90_000)
    splice.place("a", 10, 1000, 0.0)
    assert splice.place("a", 30_000, 500, 1.0) == (2, 91_000)
    assert splice.place("a", 30_001, 3500, 1.0) == (3, 94_000)


@given(sequence=st.integers(1, 1 << 40), timestamp=U32, first=U16, first_timestamp=U32, later=st.integers(0, 70_000))
def test_a_lane_starts_where_it_was_told_and_keeps_every_distance(
    sequence: int, timestamp: int, first: int, first_timestamp: int, later: int
) -> None:
    lane = Lane(None, ssrc=1, payload_type=96)
    lane.begin(packet(sequence, timestamp), first, first_timestamp)
    assert lane.sequence_of(packet(sequence)) == first
    assert lane.timestamp_of(timestamp) == first_timestamp
    assert lane.sequence_of(packet(sequence + later)) == (first + later) & 0xFFFF


@given(highest=st.integers(70_000, 1 << 40), behind=st.integers(0, 65_535), first=U16)
def test_a_viewers_nack_finds_the_packet_it_means_across_the_wrap(highest: int, behind: int, first: int) -> None:
    lane = Lane(None, ssrc=1, payload_type=96)
    lane.begin(packet(highest - 65_535), first, 0)
    asked = lane.sequence_of(packet(highest - behind))
    assert lane.broadcast_sequence(asked, highest) == highest - behind


@given(a=U16, b=U16)
def test_the_shorter_way_round_is_taken(a: int, b: int) -> None:
    difference = signed_16(a - b)
    assert -32768 <= difference <= 32767
    assert (b + difference) & 0xFFFF == a
