"""One stream (audio or video) of one broadcast: from the publisher's packets to every viewer's lane. No I/O of its own.

Video begins at a keyframe, for a viewer that joins and for all of them when the publisher or its codec changes: what
lies between would only decode to rubbish. A viewer that joins soon after a keyframe begins with the cached group, a
few packets with each that arrives, so that nobody is sent a burst; then it flows with the others.
"""

from __future__ import annotations

from streaming.egress import PacketWriter, WriterPeer
from streaming.forwarding import Lane, RelayedPacket, Splice
from streaming.group_cache import CatchUp, GroupCache
from streaming.ingest import Source
from streaming.keyframes import starts_keyframe
from streaming.retransmission import PacketRing, Repeater
from streaming.rtcp import build_sender_report
from streaming.rtp import RtpPacket
from streaming.sdp_answer import CodecId, NegotiatedMedia, payload_types_for

CATCH_UP_PACKETS = 32
"""Cached packets that leave with each new one: a second of 1 Mbps is there in some 40 ms."""


class ViewerStream:
    """One stream as one viewer gets it."""

    __slots__ = (
        "catch_up",
        "first_sequence",
        "first_timestamp",
        "lane",
        "media",
        "repeater",
        "rtx_payload_type",
        "unsupported",
    )

    def __init__(
        self,
        media: NegotiatedMedia,
        lane: Lane[WriterPeer],
        repeater: Repeater,
        first_sequence: int,
        first_timestamp: int,
    ) -> None:
        self.media = media
        self.lane = lane
        self.repeater = repeater
        self.rtx_payload_type: int | None = None
        self.first_sequence = first_sequence
        self.first_timestamp = first_timestamp
        self.catch_up: CatchUp | None = None
        """The cached group it began with; kept afterwards, for NACKs."""
        self.unsupported = False
        """The codec that flows now is not among this viewer's: it has to join anew."""

    def take_codec(self, codec: CodecId) -> None:
        """Use the payload types under which this viewer knows `codec`."""
        types = payload_types_for(self.media, codec)
        self.unsupported = types is None
        if types is not None:
            self.lane.payload_type, self.rtx_payload_type = types


class StreamRelay:
    """Forwards one stream. A viewer is waiting for a keyframe, catching up from the cached group, or flowing."""

    def __init__(self, kind: str, clock_rate: int, writer: PacketWriter, ring: PacketRing) -> None:
        self.codec: CodecId | None = None
        self.waiting: list[ViewerStream] = []
        self.packets = 0
        self.octets = 0
        self.keyframes = 0
        self._video = kind == "video"
        self._clock_rate = clock_rate
        self._writer = writer
        self._ring = ring
        self._splice = Splice(clock_rate)
        self._source: Source | None = None
        self._group = GroupCache()
        self._catching: list[ViewerStream] = []
        self._flowing: list[ViewerStream] = []
        self._table = writer.table([])

    def add(self, stream: ViewerStream, now_s: float) -> None:
        """Let a viewer begin: at the next packet (audio), with the cached group or at the next keyframe (video)."""
        if self.codec is not None:
            stream.take_codec(self.codec)
        group = self._group.offered(now_s)
        if group is None or stream.unsupported:
            self.waiting.append(stream)
            return
        stream.lane.begin(group[0], stream.first_sequence, stream.first_timestamp)
        stream.catch_up = CatchUp(group)
        self._catching.append(stream)
        self._advance(CATCH_UP_PACKETS)

    def remove(self, stream: ViewerStream) -> None:
        """Stop sending to a viewer; nothing happens if it is not here."""
        if stream in self.waiting:
            self.waiting.remove(stream)
        if stream in self._catching:
            self._catching.remove(stream)
        if stream in self._flowing:
            self._flowing.remove(stream)
            self._table = self._writer.table([member.lane for member in self._flowing])

    def forward(self, source: Source, packet: RtpPacket, now_s: float) -> bool:
        """Send one packet on; says whether it began a keyframe."""
        keyframe = self._video and starts_keyframe(source.codec.name, packet.payload)
        if source is not self._source or source.codec != self.codec:
            if self._video and not keyframe:
                return False
            self._take_source(source)
        placed = self._splice.place(source, packet.sequence, packet.timestamp, now_s)
        if placed is None:
            return False
        relayed = RelayedPacket(*placed, packet.payload, packet.marker, keyframe, now_s)
        if not self._ring.put(relayed):
            return False
        self.packets += 1
        self.octets += len(packet.payload)
        self.keyframes += keyframe
        if self._catching and self._group.lets_go(relayed):
            self._advance(len(self._group.packets))
        if self.waiting and (keyframe or not self._video) and packet.payload:
            self._begin_waiting(relayed)
        if self._flowing:
            self._writer.write(relayed, self._table)
        if self._video:
            self._group.put(relayed)
            self._advance(CATCH_UP_PACKETS)
        return keyframe

    def _advance(self, most: int) -> None:
        """Send those who catch up their next packets; who has all flows from the next packet on."""
        arrived: list[ViewerStream] = []
        for stream in self._catching:
            assert stream.catch_up is not None
            table = self._writer.table([stream.lane])
            for packet in stream.catch_up.take(most):
                self._writer.write(packet, table)
            if stream.catch_up.done:
                stream.catch_up.finish()
                arrived.append(stream)
        if arrived:
            self._catching = [stream for stream in self._catching if stream not in arrived]
            self._flowing += arrived
            self._table = self._writer.table([stream.lane for stream in self._flowing])

    def _take_source(self, source: Source) -> None:
        self._source = source
        self._advance(len(self._group.packets))
        self._group.clear()
        if source.codec == self.codec:
            return
        self.codec = source.codec
        self._ring.clear()
        for stream in (*self._flowing, *self.waiting):
            stream.take_codec(source.codec)
        self._flowing = [stream for stream in self._flowing if not stream.unsupported]
        self._table = self._writer.table([stream.lane for stream in self._flowing])

    def _begin_waiting(self, packet: RelayedPacket) -> None:
        for stream in self.waiting:
            if not stream.unsupported:
                stream.lane.begin(packet, stream.first_sequence, stream.first_timestamp)
                self._flowing.append(stream)
        self.waiting = []
        self._table = self._writer.table([stream.lane for stream in self._flowing])

    def repeat(self, stream: ViewerStream, sequences: tuple[int, ...], now_s: float) -> int:
        """Answer a NACK; returns how many packets were sent again."""
        answers = stream.repeater.repeat(
            stream.lane, stream.rtx_payload_type, sequences, self._ring, self._splice.highest, now_s,
            stream.catch_up.retime if stream.catch_up is not None else None,
        )  # fmt: skip
        for answer in answers:
            self._writer.write_rtp(stream.lane.peer, answer)
        return len(answers)

    def sender_report(self, stream: ViewerStream, cname: str, now_s: float) -> bytes | None:
        """Build the viewer's sender report; None until the publisher sent one and the viewer got a packet."""
        anchor = self._source.anchor if self._source is not None else None
        lane = stream.lane
        if anchor is None or lane.packets == 0:
            return None
        ntp_s, source_timestamp = anchor.at(now_s)
        timestamp = lane.timestamp_of(source_timestamp + self._splice.timestamp_delta)
        return build_sender_report(lane.ssrc, ntp_s, timestamp, lane.packets, lane.octets, cname)
