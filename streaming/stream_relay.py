"""One line of a broadcast, its sound or a layer of its picture: from the publisher's packets to every viewer's lane.

No I/O of its own.

Video begins at a keyframe, for a viewer that joins and for all of them when the publisher or its codec changes: what
lies between would only decode to rubbish. A viewer that joins soon after a keyframe begins with the cached group, a
few packets with each that arrives, so that nobody is sent a burst; then it flows with the others. A viewer that comes
from another layer waits for this one's keyframe while it still flows there.
"""

from __future__ import annotations

from streaming.depacketising import packet_size
from streaming.egress import PacketWriter, WriterPeer
from streaming.forwarding import Lane, RelayedPacket, Splice
from streaming.group_cache import CatchUp, GroupCache
from streaming.ingest import Source
from streaming.keyframes import starts_keyframe
from streaming.retransmission import PacketRing
from streaming.rtcp import build_sender_report
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId
from streaming.stream_mark import ClockReading
from streaming.viewer_stream import ViewerStream
from streaming.vp8_descriptor import picture_ids

CATCH_UP_PACKETS = 32
"""Cached packets that leave with each new one: a second of 1 Mbps is there in some 40 ms."""


class StreamRelay:
    """Forwards one stream. A viewer is waiting for a keyframe, catching up from the cached group, or flowing."""

    def __init__(self, kind: str, clock_rate: int, writer: PacketWriter, ring: PacketRing) -> None:
        self.codec: CodecId | None = None
        self.waiting: list[ViewerStream] = []
        self.packets = 0
        self.octets = 0
        self.keyframes = 0
        self.pixels = 0
        """Width times height, where the keyframes say it."""
        self.newest: RelayedPacket | None = None
        """The packet with the highest sequence number."""
        self._video = kind == "video"
        self._clock_rate = clock_rate
        self._writer = writer
        self._ring = ring
        self._splice = Splice(clock_rate)
        self._source: Source | None = None
        self._forgotten = 0
        """Up to this number nothing is forwarded: the ring, which knows repetitions, was emptied after it."""
        self._group = GroupCache()
        self._catching: list[ViewerStream] = []
        self._flowing: list[ViewerStream] = []
        self._twice: dict[ViewerStream, None] = {}
        """Whose second copies of lost packets are still to leave."""
        self._table = writer.table([])

    def add(self, stream: ViewerStream, now_s: float) -> None:
        """Let a viewer begin: at the next packet (audio), with the cached group or at the next keyframe (video)."""
        if self.codec is not None:
            stream.take_codec(self.codec)
        group = self._group.offered(now_s)
        if group is None or stream.unsupported:
            self.waiting.append(stream)
        else:
            self._begin_with(group, stream, now_s)

    def join(self, stream: ViewerStream, now_s: float, *, at_once: bool) -> None:
        """Take a viewer over from another line at the next keyframe; `at_once`: with the cached group, if there is one.

        Until then it goes on getting what it gets.
        """
        group = self._group.offered(now_s) if at_once else None
        if group is None:
            self.waiting.append(stream)
            return
        if self.codec is not None:
            stream.take_codec(self.codec)
        self._begin_with(group, stream, now_s)

    def _begin_with(self, group: list[RelayedPacket], stream: ViewerStream, now_s: float) -> None:
        catch_up = CatchUp(group)
        self._take_over(stream, catch_up.first, now_s)
        stream.catch_up = catch_up
        self._catching.append(stream)
        self._advance(CATCH_UP_PACKETS)

    def _take_over(self, stream: ViewerStream, first: RelayedPacket, now_s: float) -> None:
        if isinstance(stream.line, StreamRelay):
            stream.line.leave(stream, now_s)
        stream.begin(self, first, self._clock_rate, self._reading(now_s))
        stream.choice.arrived(now_s)

    def _reading(self, now_s: float) -> ClockReading | None:
        """This line's RTP clock by the publisher's sender reports."""
        anchor = self._source.anchor if self._source is not None else None
        if anchor is None:
            return None
        ntp_s, timestamp = anchor.at(now_s)
        return ClockReading(ntp_s, (timestamp + self._splice.timestamp_delta) & 0xFFFFFFFF)

    def leave(self, stream: ViewerStream, now_s: float) -> None:
        """Let a viewer go to another line, or without its picture; what it still lacks of a cached group goes first."""
        if stream in self._catching:
            self._advance(len(self._group.packets))
        self.remove(stream)
        self._writer.flush()
        if self.newest is not None and stream.line is self:
            stream.end(self.newest, self._reading(now_s))

    def remove(self, stream: ViewerStream) -> None:
        """Stop sending to a viewer; nothing happens if it is not here."""
        if stream in self._twice:
            del self._twice[stream]
            stream.repeater.forget()
        if stream in self.waiting:
            self.waiting.remove(stream)
        if stream in self._catching:
            self._catching.remove(stream)
        if stream in self._flowing:
            self._flowing.remove(stream)
            self._table = self._writer.table([member.lane for member in self._flowing])

    def forward(self, source: Source, packet: RtpPacket, now_s: float) -> bool:
        """Send one packet on; says whether it began a keyframe."""
        if self._twice:
            self.repeat_again(now_s)
        keyframe = self._video and starts_keyframe(source.codec.name, packet.payload)
        if source is not self._source or source.codec != self.codec:
            if self._video and not keyframe:
                return False
            self._take_source(source)
        placed = self._splice.place(source, packet.sequence, packet.timestamp, now_s)
        if placed is None or placed[0] <= self._forgotten:
            return False
        ids = picture_ids(packet.payload) if source.layer is not None and source.codec.name == "VP8" else None
        relayed = RelayedPacket(*placed, packet.payload, packet.marker, keyframe, now_s, ids)
        if not self._ring.put(relayed):
            return False
        if self.newest is None or relayed.sequence > self.newest.sequence:
            self.newest = relayed
        self.packets += 1
        self.octets += len(packet.payload)
        if keyframe:
            self._note_keyframe(source, packet.payload)
        if self._catching and self._group.lets_go(relayed):
            self._advance(len(self._group.packets))
        if self.waiting and (keyframe or not self._video) and packet.payload:
            self._begin_waiting(relayed, now_s)
        if self._flowing and relayed is self.newest:
            self._writer.gather(relayed, self._table)
        elif self._flowing:
            self._forward_late(relayed)
        if self._video:
            self._group.put(relayed)
            self._advance(CATCH_UP_PACKETS)
        return keyframe

    def _forward_late(self, packet: RelayedPacket) -> None:
        """Send a packet that comes after younger ones to those who began on this line at or before it.

        To whoever began later its number is one that another line, or nothing, has used before; and who got its frame
        under another timestamp gets the packet under that one too, now and when it asks again: two texts under one
        number, key and IV would give the keys away (RFC 7714 §8.1).
        """
        early = [one for one in self._flowing if one.first_on_line <= packet.sequence]
        as_it_came: list[Lane[WriterPeer]] = []
        for stream in early:
            if stream.catch_up is None or stream.catch_up.retime(packet) == packet.timestamp:
                as_it_came.append(stream.lane)
            else:
                self._writer.gather(stream.catch_up.retimed(packet), self._writer.table([stream.lane]))
        whole = len(as_it_came) == len(self._flowing)
        self._writer.gather(packet, self._table if whole else self._writer.table(as_it_came))

    def _advance(self, most: int) -> None:
        """Send those who catch up their next packets; who has all flows from the next packet on."""
        arrived: list[ViewerStream] = []
        for stream in self._catching:
            assert stream.catch_up is not None
            table = self._writer.table([stream.lane])
            for packet in stream.catch_up.take(most):
                self._writer.gather(packet, table)
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
        self._writer.flush()
        self._ring.clear()
        self._forgotten = self._splice.highest
        for stream in (*self._flowing, *(stream for stream in self.waiting if stream.line is None)):
            stream.take_codec(source.codec)
        self._flowing = [stream for stream in self._flowing if not stream.unsupported]
        self._table = self._writer.table([stream.lane for stream in self._flowing])

    def _note_keyframe(self, source: Source, payload: bytes) -> None:
        self.keyframes += 1
        if source.layer is not None:
            width, height = packet_size(source.codec.name, payload) or (0, 0)
            self.pixels = width * height or self.pixels

    def _begin_waiting(self, packet: RelayedPacket, now_s: float) -> None:
        waiting, self.waiting = self.waiting, []
        for stream in waiting:
            if self.codec is not None:
                stream.take_codec(self.codec)
            if not stream.unsupported:
                self._take_over(stream, packet, now_s)
                self._flowing.append(stream)
        self._table = self._writer.table([stream.lane for stream in self._flowing])

    def repeat(self, stream: ViewerStream, sequences: tuple[int, ...], now_s: float) -> int:
        """Send packets again; returns how many were there."""
        answers = stream.repeater.repeat(
            stream.lane, stream.rtx_payload_type, sequences, self._ring, self._splice.highest, now_s,
            stream.first_on_line, stream.catch_up.retime if stream.catch_up is not None else None,
        )  # fmt: skip
        for answer in answers:
            self._writer.write_rtp(stream.lane.peer, answer)
        if stream.repeater.waits:
            self._twice[stream] = None
        return len(answers)

    def repeat_again(self, now_s: float) -> None:
        """Send the second copies that are due: with the next packet, or by the clock."""
        for stream in list(self._twice):
            for answer in stream.repeater.again(now_s):
                self._writer.write_rtp(stream.lane.peer, answer)
            if not stream.repeater.waits:
                del self._twice[stream]

    def sender_report(self, stream: ViewerStream, cname: str, now_s: float) -> bytes | None:
        """Build the viewer's sender report; None until the publisher sent one and the viewer got a packet."""
        reading, lane = self._reading(now_s), stream.lane
        if reading is None or lane.packets == 0:
            return None
        timestamp = lane.timestamp_of(reading.timestamp)
        return build_sender_report(lane.ssrc, reading.ntp_s, timestamp, lane.packets, lane.octets, cname)
