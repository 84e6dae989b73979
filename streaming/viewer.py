"""One viewer of a broadcast: its lanes, and its feedback read as it arrives. No I/O of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from streaming.egress import PacketWriter
from streaming.errors import MalformedPacket
from streaming.layered_stream import LayeredStream
from streaming.peer import Peer
from streaming.retransmission import Repeater
from streaming.rtcp import (
    BitrateEstimate,
    Bye,
    KeyframeRequest,
    Nack,
    ReceptionReport,
    build_bye,
    build_receiver_report,
    parse_rtcp,
)
from streaming.sdp_answer import AnsweringSource
from streaming.sdp_negotiation import ABS_SEND_TIME, NegotiatedMedia, Negotiation
from streaming.stream_relay import StreamRelay
from streaming.viewer_stream import ViewerStream

REPORT_INTERVAL_S = 1.0


class Viewer:
    """The owner of a viewer's peer; `joined`, `left`, `wants_keyframe` and `reported` tell the relay."""

    def __init__(
        self,
        resource_id: str,
        viewer_id: str,
        peer: Peer,
        negotiation: Negotiation,
        sources: dict[str, AnsweringSource],
        cname: str,
        retransmissions_per_s: int,
        randomness: random.Random,
    ) -> None:
        self.resource_id = resource_id
        self.viewer_id = viewer_id
        self.peer = peer
        self.joined_before = False
        self.nacks = 0
        self.retransmitted = 0
        self.starved = False
        """True while its picture is left out."""
        self.streams: dict[str, ViewerStream] = {}
        self.joined: Callable[[Viewer], None] = _ignore
        self.left: Callable[[Viewer, str], None] = _ignore
        self.wants_keyframe: Callable[[ViewerStream], None] = _ignore
        self.reported: Callable[[Viewer, float], None] = _ignore
        self._negotiation = negotiation
        self._sources = sources
        self._cname = cname
        self._retransmissions_per_s = retransmissions_per_s
        self._randomness = randomness
        self._relays: Mapping[str, StreamRelay | LayeredStream] = {}
        self._by_ssrc: dict[int, ViewerStream] = {}
        self._reported_s = 0.0
        self._greeted_s = 0.0

    @property
    def waits_for_picture(self) -> bool:
        """True while no packet of the picture was sent."""
        return "video" in self.streams and self.streams["video"].line is None

    def attach(self, relays: Mapping[str, StreamRelay | LayeredStream], writer: PacketWriter, now_s: float) -> None:
        """Take a lane in each stream this viewer negotiated; called once, when the peer is connected."""
        self._relays = relays
        for media in self._negotiation.media:
            stream = self._make_stream(media, writer)
            self.streams[media.kind] = stream
            self._by_ssrc[stream.lane.ssrc] = stream
            relays[media.kind].add(stream, now_s)

    def _make_stream(self, media: NegotiatedMedia, writer: PacketWriter) -> ViewerStream:
        assert self.peer.writer_peer is not None, "lanes are made once keys are agreed"
        source, pick = self._sources[media.kind], self._randomness
        lane = writer.lane(self.peer.writer_peer, source.ssrc, media.codecs[0].payload_type)
        repeater = Repeater(source.rtx_ssrc, pick.randrange(1, 0x8000), self._retransmissions_per_s)
        stream = ViewerStream(media, lane, repeater, pick.randrange(1, 0x8000), pick.randrange(1 << 32))
        stream.abs_send_time_id = _one_byte_id(media.extensions.get(ABS_SEND_TIME, 0))
        stream.take_codec(media.codecs[0].codec)
        return stream

    def detach(self, writer: PacketWriter) -> None:
        """Give up the lanes and say goodbye to the peer."""
        for kind, stream in self.streams.items():
            self._relays[kind].remove(stream)
        if self.peer.writer_peer is not None and self.streams:
            writer.write_rtcp(self.peer.writer_peer, build_bye(s.lane.ssrc for s in self.streams.values()))
        self.streams = {}
        self._by_ssrc = {}

    def report(self, writer: PacketWriter, now_s: float) -> None:
        """Send this second's sender reports, if they are due; who waits for media gets an empty receiver report.

        So a viewer hears something at least every 1.25 s, and may take silence for a broken path (its page does).
        """
        if now_s - self._reported_s < REPORT_INTERVAL_S or self.peer.writer_peer is None:
            return
        for stream in self.streams.values():
            line = stream.line
            compound = line.sender_report(stream, self._cname, now_s) if line is not None else None
            if compound is not None:
                self._reported_s = now_s
                writer.write_rtcp(stream.lane.peer, compound)
        if self._reported_s != now_s and now_s - self._greeted_s >= REPORT_INTERVAL_S:
            self._greeted_s = now_s
            ssrc = next(iter(self._sources.values())).ssrc
            writer.write_rtcp(self.peer.writer_peer, build_receiver_report(ssrc, ()))

    def peer_connected(self) -> None:
        """The handshake is complete."""
        self.joined_before = True
        self.joined(self)

    def peer_closed(self, reason: str) -> None:
        """The session is over."""
        self.left(self, reason)

    def peer_rtp(self, packet: bytes, now_s: float) -> None:
        """A viewer sends no media; what it sends is dropped."""

    def peer_rtcp(self, compound: bytes, now_s: float) -> None:
        """Act on feedback at once: NACKs are answered, keyframe requests merged."""
        try:
            messages = parse_rtcp(compound)
        except MalformedPacket:
            return
        for message in messages:
            if isinstance(message, Nack):
                self._answer(message, now_s)
            elif isinstance(message, KeyframeRequest):
                self._ask(message)
            elif isinstance(message, Bye):
                self.peer.close("bye")
                return
            elif isinstance(message, BitrateEstimate) and "video" in self.streams:
                self.streams["video"].choice.estimated(message.bitrate_bps, now_s)
                self.reported(self, now_s)
            elif isinstance(message, ReceptionReport) and message.ssrc in self._by_ssrc:
                self._by_ssrc[message.ssrc].choice.lost(message.fraction_lost / 256, now_s)

    def _ask(self, request: KeyframeRequest) -> None:
        stream = self._by_ssrc.get(request.media_ssrc)
        if stream is not None:
            self.wants_keyframe(stream)

    def _answer(self, nack: Nack, now_s: float) -> None:
        stream = self._by_ssrc.get(nack.media_ssrc)
        if stream is not None and stream.takes_nacks:
            self.nacks += len(nack.sequences)
            stream.choice.nacked(len(nack.sequences), now_s)
            self.reported(self, now_s)
            self.retransmitted += stream.repeat(nack.sequences, now_s)


def _one_byte_id(identifier: int) -> int:
    """The id if a one-byte element can carry it (RFC 8285 §4.2), else 0: that extension is not sent."""
    return identifier if identifier <= 14 else 0


def _ignore(*_: object) -> None:
    """What an event does until the relay listens."""
