"""No SRTP number of any viewer is ever used for two texts, whatever comes late, is lost, changes or is asked for again.

RFC 7714 §8.1: two texts under one key, SSRC and index give the authentication key away. The walks go through both real
packet writers, to the bytes on the wire.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.ingest import Source, _Format
from streaming.layered_stream import LayeredStream
from streaming.retransmission import FEW, PacketRing
from streaming.rtcp import build_nack
from streaming.rtp import RtpPacket
from streaming.sdp_answer import AnsweringSource
from streaming.sdp_negotiation import ABS_SEND_TIME, CodecId, NegotiatedCodec, NegotiatedMedia
from streaming.stream_relay import StreamRelay
from streaming.viewer import Viewer
from tests.streaming.test_layered_stream import FRAME, payload
from tests.streaming.test_stream_relay import H264, VP8
from tests.streaming.writers import Maker, NativeMaker, PythonMaker, StuffySocket, new_keys

LAYERS, PARTS = 3, 3
"""A frame has three packets, so that one may lack a part when a viewer comes."""
ACTS = st.one_of(
    st.tuples(st.just("play"), st.sets(st.integers(0, LAYERS * PARTS - 1), max_size=3), st.booleans()),
    st.tuples(st.just("late"), st.integers(0, 20)),
    st.tuples(st.just("join"), st.booleans()),
    st.tuples(st.just("aim"), st.integers(0, 5), st.sampled_from([None, 0, 1, 2]), st.booleans()),
    st.tuples(st.just("nack"), st.integers(0, 5), st.integers(1, 24)),
    st.tuples(st.just("again")),
    st.tuples(st.just("codec")),
)


@dataclass
class Show:
    """Three layers whose packets may be held back, and viewers with and without RTX."""

    make: Maker
    socket: StuffySocket
    frame: int = 0
    now_s: float = 0.0
    held: list[tuple[Source, RtpPacket]] = field(default_factory=list)
    viewers: list[Viewer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writer = self.make(self.socket, now_s=5.0)
        self.video = LayeredStream(lambda: StreamRelay("video", 90_000, self.writer, PacketRing(64, 2.0, 100_000)))
        form = _Format("video", VP8, 90_000, None)
        self.sources = [Source(7 + n, form, repairable=True, layer=n) for n in range(LAYERS)]

    def play(self, without: set[int], key: bool) -> None:
        """Send one frame of every layer; the parts named in `without` are held back."""
        for layer, source in enumerate(self.sources):
            for part in range(PARTS):
                packet = self._part(source, part, key=key or self.frame == 0)
                if layer * PARTS + part in without:
                    self.held.append((source, packet))
                else:
                    self.video.forward(source, packet, self.now_s)
        self.frame += 1
        self.now_s += 0.05
        self.video.measure(self.now_s)

    def _part(self, source: Source, part: int, *, key: bool) -> RtpPacket:
        layer = source.layer or 0
        if source.codec == H264:
            data = (b"\x67\x42" if key and part == 0 else b"\x41\x9a") + bytes([self.frame & 0xFF, part])
        else:
            begins = bytes([0x90 if part == 0 else 0x80])
            data = begins + payload(self.frame, key=key and part == 0, layer=layer)[1:] + bytes([part])
        sequence, timestamp = 100 + PARTS * self.frame + part + 20_000 * layer, self.frame * FRAME + 1_000_000 * layer
        return RtpPacket(96, sequence & 0xFFFF, timestamp, source.ssrc, data, marker=part == PARTS - 1)

    def late(self, which: int) -> None:
        if self.held:
            self.video.forward(*self.held.pop(which % len(self.held)), self.now_s)

    def join(self, with_rtx: bool) -> None:
        if len(self.viewers) == 5:
            return
        number = len(self.viewers)
        codecs = tuple(
            NegotiatedCodec(codec, 96 + 2 * i, 97 + 2 * i if with_rtx else None, 90_000, ("nack",))
            for i, codec in enumerate((VP8, H264))
        )
        media = NegotiatedMedia("video", "0", codecs, {ABS_SEND_TIME: 3}, (), {})
        peer: Any = SimpleNamespace(writer_peer=self.writer.attach(new_keys(), ("127.0.0.1", 100 + number)))
        negotiation: Any = SimpleNamespace(media=(media,))
        viewer = Viewer("r", "v", peer, negotiation, {"video": AnsweringSource(7, 8)}, "c", 400, random.Random(number))
        viewer.attach({"video": self.video}, self.writer, self.now_s)
        self.viewers.append(viewer)

    def aim(self, which: int, layer: int | None, at_once: bool) -> None:
        if self.viewers and (layer is None or layer in self.video._layers):
            self.video._aim(self._one(which).streams["video"], layer, self.now_s, at_once=at_once)

    def nack(self, which: int, most: int) -> None:
        """Ask for the last packets that this viewer could have got, a few at a time."""
        if not self.viewers:
            return
        viewer = self._one(which)
        stream = viewer.streams["video"]
        if isinstance(stream.line, StreamRelay) and stream.line.newest is not None:
            newest = stream.lane.sequence_of(stream.line.newest)
            for back in range(0, most, FEW):
                asked = [(newest - back - step) & 0xFFFF for step in range(FEW)]
                viewer.peer_rtcp(build_nack(99, 7, asked[::-1]), self.now_s)
            self.now_s += 0.021

    def again(self) -> None:
        for line in self.video.lines:
            line.repeat_again(self.now_s + 1.0)

    def codec(self) -> None:
        """The publisher goes over to the other codec, at its next keyframe."""
        before = self.sources[0].codec
        codec: CodecId = H264 if before == VP8 else VP8
        form = _Format("video", codec, 90_000, None)
        self.sources = [Source(source.ssrc + 10, form, repairable=True, layer=source.layer) for source in self.sources]

    def _one(self, which: int) -> Viewer:
        return self.viewers[which % len(self.viewers)]

    def close(self) -> None:
        self.writer.close()
        self.socket.close()

    def texts(self) -> dict[tuple[int, bytes, bytes], set[bytes]]:
        """By viewer, SSRC and sequence number (which wraps in no walk): the datagrams that went out."""
        self.writer.flush()
        seen: dict[tuple[int, bytes, bytes], set[bytes]] = {}
        for data, address in self.socket.sent:
            seen.setdefault((address[1], data[8:12], data[2:4]), set()).add(data)
        return seen


@pytest.mark.parametrize("maker", [PythonMaker, NativeMaker])
@settings(max_examples=40)
@given(st.lists(ACTS, min_size=20, max_size=40))
def test_no_number_carries_two_texts_on_the_wire(maker: Callable[[], Maker], acts: list[tuple[Any, ...]]) -> None:
    async def walk() -> None:
        with closing(Show(maker(), StuffySocket(room=100_000))) as show:
            show.play(set(), key=True)
            for act, *arguments in acts:
                getattr(show, act)(*arguments)
            show.play(set(), key=True)
            assert {number: texts for number, texts in show.texts().items() if len(texts) > 1} == {}

    asyncio.run(walk())


def test_a_part_that_comes_after_a_viewer_caught_up_leaves_under_its_frames_time(make: Maker) -> None:
    """Its frame left under another timestamp than the publisher's, and so must it, when it comes and when asked for."""

    async def walk() -> None:
        with closing(Show(make, StuffySocket(room=100_000))) as show:
            show.play(set(), key=True)
            show.play({1}, key=False)
            show.play(set(), key=False)
            show.join(with_rtx=False)
            show.play(set(), key=False)
            show.late(0)
            show.nack(0, 12)
            seen = show.texts()
            assert all(len(texts) == 1 for texts in seen.values())
            times = {int.from_bytes(number[2], "big"): next(iter(texts))[4:8] for number, texts in seen.items()}
            first = min(times)
            assert [times[first + part] for part in (3, 4, 5)] == [times[first + 3]] * 3

    asyncio.run(walk())
