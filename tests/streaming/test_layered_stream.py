"""A viewer that changes layers sees one unbroken stream: numbers, timestamps and picture ids go on without a seam."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streaming.forwarding import Lane, RelayedPacket
from streaming.ingest import Source, _Format
from streaming.layered_stream import LayeredStream
from streaming.retransmission import PacketRing
from streaming.rtp import RtpPacket
from streaming.stream_mark import ClockReading, mark_of, signed_32
from streaming.stream_relay import StreamRelay
from streaming.viewer_stream import ViewerStream
from streaming.vp8_descriptor import PictureIds, picture_ids
from tests.streaming.test_stream_relay import VP8, NotingWriter, viewer

FRAME = 4500
"""Ticks between two frames at 20 a second."""
SIZES = {0: (160, 120), 1: (320, 240), 2: (640, 480)}


def payload(picture: int, *, key: bool, layer: int) -> bytes:
    """A frame of one packet, its numbers as far apart between layers as they can be."""
    picture_id, tl0 = (picture + 11_000 * layer) & 0x7FFF, (picture + 90 * layer) & 0xFF
    head = bytes([0x90, 0xE0, 0x80 | picture_id >> 8, picture_id & 0xFF, tl0, 0x20])
    width, height = SIZES[layer]
    return head + (
        b"\x00\x00\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
        if key
        else b"\x01delta"
    )


class Show:
    """Three layers of 20 frames a second on a driven clock."""

    def __init__(self, layers: int = 3) -> None:
        self.writer = NotingWriter()
        self.video = LayeredStream(lambda: StreamRelay("video", 90_000, self.writer, PacketRing(64, 2.0, 1_000_000)))
        form = _Format("video", VP8, 90_000, None)
        self.sources = [Source(7 + n, form, repairable=True, layer=n if layers > 1 else None) for n in range(layers)]
        self.frame = 0
        self.now_s = 0.0
        self.silent: set[int] = set()

    def play(self, frames: int, keys: frozenset[int] = frozenset(), streams: tuple[ViewerStream, ...] = ()) -> None:
        """Send frames of every layer, the first ever as keyframes, then those of the layers in `keys` once."""
        for step in range(frames):
            for layer, source in enumerate(self.sources):
                key = self.frame == 0 or (step == 0 and layer in keys)
                data = payload(self.frame, key=key, layer=layer) + bytes(50 * 4**layer)
                sequence, timestamp = 100 + self.frame + 20_000 * layer, self.frame * FRAME + 1_000_000 * layer
                packet = RtpPacket(96, sequence & 0xFFFF, timestamp, source.ssrc, data, marker=True)
                if layer not in self.silent:
                    self.video.forward(source, packet, self.now_s)
            self.frame += 1
            self.now_s += 0.05
            self.video.measure(self.now_s)
            for stream in streams:
                self.video.choose(stream, self.now_s)

    def heights(self, ssrc: int) -> list[int]:
        """The layers that a viewer saw, by the keyframes that it began them with."""
        sizes = {size[1]: layer for layer, size in SIZES.items()}
        return [sizes[int.from_bytes(p[14:16], "little")] for _, p in self.writer.seen_by(ssrc) if not p[6] & 1]


def seamless(show: Show, ssrc: int) -> None:
    """What a decoder relies on: no number is missing, time goes on, picture ids follow one another."""
    sequences = [sequence for sequence, _ in show.writer.seen_by(ssrc)]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    times = [timestamp for s, _, timestamp in show.writer.timestamps if s == ssrc]
    steps = [signed_32(after - before) for before, after in pairwise(times)]
    assert all(0 < step <= 60 * FRAME for step in steps)
    ids = [picture_ids(payload) for _, payload in show.writer.seen_by(ssrc)]
    numbers = [(one.picture_id, one.tl0) for one in ids if one is not None]
    assert numbers == [((numbers[0][0] + i) & 0x7FFF, (numbers[0][1] + i) & 0xFF) for i in range(len(numbers))]


def test_a_viewer_climbs_at_keyframes_only_and_without_a_seam() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    show.play(60, streams=(member,))
    assert show.heights(1) == [0]
    for _ in range(8):
        show.play(40, frozenset({0, 1, 2}), streams=(member,))
    assert show.heights(1)[-1] == 2
    seamless(show, 1)


def test_a_viewer_in_trouble_gets_nothing_more_of_the_layer_that_was_too_much() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    for _ in range(8):
        show.play(40, frozenset({0, 1, 2}), streams=(member,))
    assert show.heights(1)[-1] == 2
    before = len(show.writer.seen_by(1))
    show.play(40, streams=(member,))
    member.choice.lost(0.5, show.now_s)
    show.video.choose(member, show.now_s)
    show.play(20)
    assert len(show.writer.seen_by(1)) == before + 40
    assert show.video.wanted_keyframes() == [1]
    show.play(20, frozenset({1}))
    assert show.heights(1)[-1] == 1
    seamless(show, 1)


def test_a_layer_that_its_publisher_ends_is_followed_by_a_lower_one() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    for _ in range(8):
        show.play(40, frozenset({0, 1, 2}), streams=(member,))
    show.silent = {2}
    show.play(40, streams=(member,))
    show.play(5, frozenset({0, 1}), streams=(member,))
    assert show.heights(1)[-1] in (0, 1)
    seamless(show, 1)


def test_a_starved_viewer_comes_back_without_a_seam() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    show.play(40, streams=(member,))
    for _ in range(40):
        member.choice.estimated(10_000, show.now_s)
        member.choice.lost(0.9, show.now_s)
        show.play(10, frozenset({0, 1, 2}), streams=(member,))
        if member.choice.wanted is None:
            break
    assert member.choice.starved
    before = len(show.writer.seen_by(1))
    show.play(20, frozenset({0}), streams=(member,))
    assert len(show.writer.seen_by(1)) == before
    for _ in range(5):
        show.play(40, frozenset({0}), streams=(member,))
    assert member.choice.wanted is not None
    assert len(show.writer.seen_by(1)) > before
    sequences = [sequence for sequence, _ in show.writer.seen_by(1)]
    assert sequences == list(range(100, 100 + len(sequences)))


def test_what_was_lost_of_a_layer_that_was_left_is_not_sent_again() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    show.play(60, streams=(member,))
    show.play(40, frozenset({0, 1, 2}), streams=(member,))
    show.play(40, frozenset({0, 1, 2}), streams=(member,))
    seen = show.writer.seen_by(1)
    begun = max(i for i, (_, data) in enumerate(seen) if not data[6] & 1)
    assert member.repeat((seen[begun - 1][0],), show.now_s) == 0
    assert member.repeat((seen[begun + 1][0],), show.now_s) == 1
    assert len(show.writer.repeated) == 1
    show.play(2)
    assert [repeated[14:] for repeated in show.writer.repeated] == [seen[begun + 1][1]] * 2


def test_a_loss_long_after_the_last_change_of_layers_is_made_good() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    show.play(60, streams=(member,))
    for _ in range(2):
        show.play(40, frozenset({0, 1, 2}), streams=(member,))
    assert len(show.heights(1)) > 1
    show.silent = {0, 1, 2} - {show.heights(1)[-1]}
    show.play(40_000)
    lost = show.writer.seen_by(1)[-3]
    assert member.repeat((lost[0] & 0xFFFF,), show.now_s) > 0
    assert show.writer.repeated[0][14:] == lost[1]


def test_a_publisher_of_one_stream_is_neither_measured_nor_rewritten() -> None:
    show, member = Show(layers=1), viewer(1)
    show.video.add(member, 0.0)
    show.play(40, streams=(member,))
    assert not show.video.layered
    assert all(packet_ids is None for packet_ids in show.writer.ids)
    assert len(show.writer.seen_by(1)) == 40


def test_viewers_of_any_layer_go_on_with_a_publisher_that_has_none() -> None:
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    for _ in range(8):
        show.play(40, frozenset({0, 1, 2}), streams=(member,))
    single = Show(layers=1).sources[0]
    before = len(show.writer.seen_by(1))
    for frame, key in ((0, True), (1, False)):
        packet = RtpPacket(96, 500 + frame, frame * FRAME, 99, payload(frame, key=key, layer=0), marker=True)
        show.video.forward(single, packet, show.now_s)
    assert len(show.writer.seen_by(1)) - before == 2
    assert not show.video.layered


def test_a_recording_asks_for_the_keyframe_at_which_it_changes_layers() -> None:
    show = Show()
    show.play(40)
    low, best = show.sources[0], show.sources[2]
    key, delta = (RtpPacket(96, 1, 0, 7, payload(1, key=key, layer=0)) for key in (True, False))
    wanted = []
    for source, packet in ((low, key), (best, delta), (best, key)):
        show.video.records(source, packet)
        wanted.append(show.video.wanted_keyframes())
    assert wanted == [[], [2], []]


def test_only_the_best_layer_is_recorded_and_it_changes_at_keyframes() -> None:
    show = Show()
    show.play(40)
    low, best = show.sources[0], show.sources[2]
    key, delta = (RtpPacket(96, 1, 0, 7, payload(1, key=key, layer=0)) for key in (True, False))
    assert [show.video.records(source, data) for source, data in ((low, key), (best, delta), (low, delta))] == [
        True,
        False,
        True,
    ]
    assert [show.video.records(source, data) for source, data in ((best, key), (low, delta), (best, delta))] == [
        True,
        False,
        True,
    ]


U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


@given(
    U16,
    U32,
    st.integers(0, 0x7FFF),
    st.integers(0, 0xFF),
    U16,
    U32,
    st.floats(0, 5),
    st.floats(-0.5, 0.5),
    st.booleans(),
)
def test_the_next_packet_follows_the_last_whatever_the_two_layers_numbers_are(
    sequence: int, timestamp: int, picture: int, tl0: int, other: int, other_time: int, gap_s: float, skew_s: float,
    clocked: bool,
) -> None:  # fmt: skip
    lane: Lane[None] = Lane(None, 1, 96)
    lane.begin(RelayedPacket(1, 0, b"", True, True, 0.0), sequence, timestamp)
    old = RelayedPacket(1, 0, b"", True, False, 10.0, PictureIds(picture, 2, 2, tl0, 4))
    mark = mark_of(lane, old, ClockReading(1000.0, 0) if clocked else None)
    new = RelayedPacket(other, other_time, b"", True, True, 10.0 + gap_s, PictureIds(5, 2, 2, 9, 4))
    reading = ClockReading(1000.0 + gap_s + skew_s, other_time)
    assert mark.follow(lane, new, 90_000, reading) == (sequence + 1) & 0xFFFF
    assert lane.sequence_of(new) == (sequence + 1) & 0xFFFF
    step = signed_32(lane.timestamp_of(new.timestamp) - timestamp)
    assert step >= 90
    expected_s = gap_s + (skew_s if clocked else 0)
    assert abs(step / 90_000 - max(0.001, expected_s)) < 0.002
    assert ((5 + lane.picture_id_delta) & 0x7FFF, (9 + lane.tl0_delta) & 0xFF) == (
        (picture + 1) & 0x7FFF,
        (tl0 + 1) & 0xFF,
    )


@given(order=st.lists(st.integers(0, 5), min_size=1, max_size=12), changes=st.lists(st.integers(0, 1), max_size=4))
def test_no_number_is_ever_sealed_with_two_texts(order: list[int], changes: list[int]) -> None:
    """RFC 7714 §8.1: packets that come late, from before the keyframe at which a viewer went over, are not for it."""
    show, member = Show(), viewer(1)
    show.video.add(member, 0.0)
    show.play(10, streams=(member,))
    for layer in changes or [1]:
        held = [(source, late_of(show, source)) for source in show.sources]
        show.frame += 1
        show.video._aim(member, layer + 1, show.now_s, at_once=False)
        show.play(3, frozenset({0, 1, 2}))
        for turn in order:
            source, late = held[turn % len(held)]
            show.video.forward(source, late, show.now_s)
    texts: dict[int, set[tuple[int, bytes]]] = {}
    for (_, sequence, timestamp), (_, _, _, text) in zip(show.writer.timestamps, show.writer.sent, strict=True):
        texts.setdefault(sequence, set()).add((timestamp, text))
    assert {sequence: seen for sequence, seen in texts.items() if len(seen) > 1} == {}
    assert max(show.heights(1)) > 0


def late_of(show: Show, source: Source) -> RtpPacket:
    """The packet that comes next of a layer, for a test that lets it come late."""
    layer = source.layer or 0
    sequence, timestamp = 100 + show.frame + 20_000 * layer, show.frame * FRAME + 1_000_000 * layer
    data = payload(show.frame, key=False, layer=layer) + b"late"
    return RtpPacket(96, sequence & 0xFFFF, timestamp, source.ssrc, data, marker=True)
