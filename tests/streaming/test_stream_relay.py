"""Viewers begin at keyframes, and publishers and codecs change without a seam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streaming.datagram_sender import WriterCounters
from streaming.egress import LaneTable, WriterPeer
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.ingest import Source, _Format
from streaming.retransmission import PacketRing, Repeater
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId, NegotiatedCodec, NegotiatedMedia
from streaming.srtp_pylibsrtp import SrtpKeys
from streaming.stream_relay import StreamRelay
from streaming.viewer_stream import ViewerStream
from streaming.vp8_descriptor import PictureIds

VP8, H264, OPUS = CodecId("VP8"), CodecId("H264", "42e0"), CodecId("opus")
KEY, DELTA = b"\x10\x00key", b"\x10\x01delta"
H264_KEY = b"\x67\x42"


class NotingWriter:
    """A packet writer that notes what each lane would have sent."""

    def __init__(self) -> None:
        self._counters = WriterCounters()
        self.sent: list[tuple[int, int, int, bytes]] = []
        self.timestamps: list[tuple[int, int, int]] = []
        """(SSRC, sequence number, timestamp), beside `sent`."""
        self.repeated: list[bytes] = []
        self.ids: list[PictureIds | None] = []

    @property
    def counters(self) -> WriterCounters:
        return self._counters

    def lane(self, peer: WriterPeer, ssrc: int, payload_type: int) -> Lane[WriterPeer]:
        return Lane(peer, ssrc, payload_type)

    def table(self, lanes: Sequence[Lane[WriterPeer]]) -> LaneTable:
        return LaneTable(lanes)

    def write(self, packet: RelayedPacket, table: LaneTable) -> None:
        for lane in table.lanes:
            lane.packets += 1
            self.sent.append((lane.ssrc, lane.sequence_of(packet), lane.payload_type, lane.payload_of(packet)))
            self.ids.append(packet.picture_ids)
            self.timestamps.append((lane.ssrc, lane.sequence_of(packet), lane.timestamp_of(packet.timestamp)))

    def gather(self, packet: RelayedPacket, table: LaneTable) -> None:
        self.write(packet, table)

    def flush(self) -> None: ...

    def write_rtp(self, peer: WriterPeer, packet: bytes) -> None:
        self.repeated.append(packet)

    def write_rtcp(self, peer: WriterPeer, packet: bytes) -> None: ...

    def write_plain(self, datagram: bytes, address: Address) -> None: ...

    def attach(self, keys: SrtpKeys, address: Address) -> WriterPeer:
        raise NotImplementedError

    def close(self) -> None: ...

    def seen_by(self, ssrc: int) -> list[tuple[int, bytes]]:
        return [(sequence, payload) for lane, sequence, _, payload in self.sent if lane == ssrc]


def viewer(ssrc: int, first: int = 100, codecs: tuple[CodecId, ...] = (VP8, H264)) -> ViewerStream:
    listed = tuple(NegotiatedCodec(codec, 96 + 2 * i, 97 + 2 * i, 90_000, ()) for i, codec in enumerate(codecs))
    media = NegotiatedMedia("video", "0", listed, {}, (), {})
    peer: Any = None
    return ViewerStream(media, Lane(peer, ssrc, 96), Repeater(ssrc + 1, 1, 100), first, 0)


def relay(writer: NotingWriter, kind: str = "video") -> StreamRelay:
    return StreamRelay(kind, 90_000, writer, PacketRing(64, 2.0, 1_000_000))


def source(codec: CodecId, ssrc: int = 7, kind: str = "video") -> Source:
    return Source(ssrc, _Format(kind, codec, 90_000, None), repairable=True)


def packet(sequence: int, payload: bytes) -> RtpPacket:
    return RtpPacket(96, sequence & 0xFFFF, sequence * 3000 & 0xFFFFFFFF, 7, payload)


def send(stream: StreamRelay, origin: Source, first: int, *payloads: bytes, at_s: float = 0.0) -> None:
    for index, payload in enumerate(payloads):
        stream.forward(origin, packet(first + index, payload), at_s)


def test_a_viewer_begins_at_the_next_keyframe_when_the_cached_group_is_long() -> None:
    writer, origin = NotingWriter(), source(VP8)
    stream = relay(writer)
    stream.add(viewer(1), 0.0)
    send(stream, origin, 10, DELTA, KEY, DELTA)
    stream.add(viewer(2, first=500), 60.0)
    send(stream, origin, 13, DELTA, KEY, DELTA)
    assert writer.seen_by(1) == [(100, KEY), (101, DELTA), (102, DELTA), (103, KEY), (104, DELTA)]
    assert writer.seen_by(2) == [(500, KEY), (501, DELTA)]


def test_an_audio_viewer_begins_at_once() -> None:
    writer = NotingWriter()
    stream = relay(writer, "audio")
    stream.add(viewer(1, codecs=(OPUS,)), 0.0)
    send(stream, source(OPUS, kind="audio"), 10, b"sound", b"sound")
    assert [sequence for sequence, _ in writer.seen_by(1)] == [100, 101]


def test_a_new_publisher_begins_at_its_keyframe_and_without_a_gap() -> None:
    writer = NotingWriter()
    stream = relay(writer)
    stream.add(viewer(1), 0.0)
    send(stream, source(VP8), 10, KEY, DELTA)
    send(stream, source(VP8, ssrc=8), 60_000, DELTA, DELTA, KEY, DELTA, at_s=3.0)
    assert writer.seen_by(1) == [(100, KEY), (101, DELTA), (102, KEY), (103, DELTA)]


def test_another_codec_is_taken_at_its_keyframe_under_its_own_payload_type() -> None:
    writer, lacking = NotingWriter(), viewer(2, codecs=(VP8,))
    stream = relay(writer)
    stream.add(viewer(1), 0.0)
    stream.add(lacking, 0.0)
    send(stream, source(VP8), 10, KEY)
    send(stream, source(H264, ssrc=8), 20, b"\x41\x00", H264_KEY, at_s=1.0)
    assert [(ssrc, payload_type) for ssrc, _, payload_type, _ in writer.sent] == [(1, 96), (2, 96), (1, 98)]
    assert lacking.unsupported
    assert stream.codec == H264


def test_duplicates_are_forwarded_once() -> None:
    writer, origin = NotingWriter(), source(VP8)
    stream = relay(writer)
    stream.add(viewer(1), 0.0)
    send(stream, origin, 10, KEY)
    send(stream, origin, 10, KEY)
    assert len(writer.sent) == 1


def test_a_viewer_that_left_gets_nothing_more() -> None:
    writer, origin, gone, early = NotingWriter(), source(VP8), viewer(1), viewer(2)
    stream = relay(writer)
    stream.add(gone, 0.0)
    send(stream, origin, 10, KEY)
    stream.add(early, 60.0)
    for member in (gone, early, gone):
        stream.remove(member)
    send(stream, origin, 11, KEY, DELTA)
    assert len(writer.sent) == 1


def test_sender_reports_wait_for_the_publishers() -> None:
    writer, origin, member = NotingWriter(), source(VP8), viewer(1)
    stream = relay(writer)
    stream.add(member, 0.0)
    send(stream, origin, 10, KEY)
    assert stream.sender_report(member, "cname", 1.0) is None
