"""A viewer who joins soon after a keyframe gets the cached group, once and in order, and is at the live edge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.forwarding import RelayedPacket
from streaming.group_cache import FRAME_SPACING, MAX_GROUP_BYTES, MAX_GROUP_PACKETS, CatchUp, GroupCache
from streaming.rtp import RtpPacket, parse_rtp
from streaming.stream_relay import StreamRelay
from tests.streaming.test_stream_relay import DELTA, KEY, VP8, NotingWriter, relay, source, viewer

FRAME_TICKS = 3000


def packet(sequence: int, *, keyframe: bool = False, at_s: float = 0.0, size: int = 10) -> RelayedPacket:
    return RelayedPacket(sequence, sequence * FRAME_TICKS, bytes(size), True, keyframe, at_s)


def play(
    stream: StreamRelay, origin: object, first: int, count: int, keyframes: set[int], per_s: float = 120.0
) -> None:
    for sequence in range(first, first + count):
        payload = KEY if sequence in keyframes else DELTA
        timestamp = sequence * FRAME_TICKS & 0xFFFFFFFF
        stream.forward(origin, RtpPacket(96, sequence & 0xFFFF, timestamp, 7, payload), sequence / per_s)  # type: ignore[arg-type]


def test_the_picture_begins_at_once_and_ends_at_the_live_edge() -> None:
    writer, origin = NotingWriter(), source(VP8)
    stream = relay(writer)
    play(stream, origin, 1, 20, {1})
    stream.add(viewer(5), 20 / 120)
    seen = [(sequence, timestamp) for ssrc, sequence, timestamp in writer.timestamps if ssrc == 5]
    assert [sequence for sequence, _ in seen] == list(range(100, 120))
    assert seen[-1][1] - seen[0][1] == 19 * FRAME_SPACING
    play(stream, origin, 21, 1, set())
    _, sequence, timestamp = writer.timestamps[-1]
    assert (sequence, timestamp - seen[-1][1]) == (120, FRAME_TICKS)


@given(
    before=st.integers(1, 170),
    after=st.integers(1, 200),
    keyframes=st.sets(st.integers(2, 370), max_size=4),
    joins=st.lists(st.integers(0, 200), min_size=1, max_size=4),
)
def test_every_viewer_gets_every_packet_once_from_its_keyframe_on(
    before: int, after: int, keyframes: set[int], joins: list[int]
) -> None:
    writer, origin = NotingWriter(), source(VP8)
    stream = relay(writer)
    keyframes = {1, *keyframes}
    play(stream, origin, 1, before, keyframes)
    for sequence in range(before + 1, before + after + 1):
        for ssrc, offset in enumerate(joins):
            if before + 1 + offset == sequence:
                stream.add(viewer(ssrc), (sequence - 1) / 120)
        play(stream, origin, sequence, 1, keyframes)
    for ssrc in range(len(joins)):
        seen = [(sequence, timestamp) for s, sequence, timestamp in writer.timestamps if s == ssrc]
        if not seen:
            continue
        assert [sequence for sequence, _ in seen] == list(range(100, 100 + len(seen)))
        assert [timestamp for _, timestamp in seen] == sorted(timestamp for _, timestamp in seen)
        assert writer.seen_by(ssrc)[0][1] == KEY


def test_a_lost_cached_packet_is_repeated_under_the_timestamp_it_left_under() -> None:
    writer, origin, member = NotingWriter(), source(VP8), viewer(5)
    stream = relay(writer)
    play(stream, origin, 1, 20, {1})
    stream.add(member, 20 / 120)
    play(stream, origin, 21, 2, set())
    assert member.repeat((103, 121), 22 / 120) == 2
    first, second = (parse_rtp(data) for data in writer.repeated)
    sent = {sequence: timestamp for _, sequence, timestamp in writer.timestamps}
    assert (first.timestamp, second.timestamp) == (sent[103], sent[121])


def test_a_group_that_grows_long_is_let_go() -> None:
    for packets in (
        [packet(2 + i) for i in range(MAX_GROUP_PACKETS)],
        [packet(2, size=MAX_GROUP_BYTES)],
        [packet(2, at_s=1.6)],
    ):
        cache = GroupCache()
        cache.put(packet(1, keyframe=True))
        for following in packets[:-1]:
            assert not cache.lets_go(following)
            cache.put(following)
        assert cache.lets_go(packets[-1])
        cache.put(packets[-1])
        assert cache.packets == []
        assert cache.offered(0.0) is None


def test_a_stream_that_pauses_offers_nothing() -> None:
    cache = GroupCache()
    cache.put(packet(1, keyframe=True))
    assert cache.offered(0.4) is not None
    assert cache.offered(0.6) is None


def test_frames_that_wrap_the_timestamp_keep_their_order() -> None:
    group = [RelayedPacket(i, (0xFFFFFFFF - 6000 + 3000 * i) & 0xFFFFFFFF, b"", True, i == 1, 0.0) for i in range(1, 6)]
    taken = CatchUp(group).take(10)
    newest = group[-1].timestamp
    assert [(newest - p.timestamp) & 0xFFFFFFFF for p in taken] == [FRAME_SPACING * (4 - i) for i in range(5)]
