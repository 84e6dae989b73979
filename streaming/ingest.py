"""What one publisher sends, made ready to forward: routed by SSRC and payload type, RTX undone, losses asked for. Pure.

Padding is dropped and counts for nothing (Chrome pads on RTX to probe). Sources are learnt from the packets: SDP's
`ssrc` lines are optional. Layers of a simulcast publisher will be told apart here.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.errors import MalformedPacket
from streaming.feedback import ArrivalRecorder, LossTracker, ReceptionStatistics
from streaming.rtcp import (
    SenderReport,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_transport_feedback,
    parse_rtcp,
)
from streaming.rtp import RtpPacket, header_extensions, parse_rtp, unwrap_rtx
from streaming.sdp_answer import TRANSPORT_CC, CodecId, Negotiation
from streaming.sender_reports import PublisherClock, TimestampAnchor, anchor_of

MAX_SOURCES = 16
"""SSRCs one publisher may use during a connection; packets of further ones are dropped."""


@dataclass(frozen=True, slots=True)
class _Format:
    """A payload type as negotiated; `repairs` is the primary payload type where this one is RTX."""

    kind: str
    codec: CodecId
    clock_rate: int
    repairs: int | None


class Source:
    """One SSRC of the publisher that carries media."""

    __slots__ = ("anchor", "clock_rate", "codec", "kind", "losses", "repairable", "ssrc", "statistics")

    def __init__(self, ssrc: int, form: _Format, *, repairable: bool) -> None:
        self.ssrc = ssrc
        self.kind = form.kind
        self.codec = form.codec
        self.clock_rate = form.clock_rate
        self.repairable = repairable
        self.statistics = ReceptionStatistics(form.clock_rate)
        self.losses = LossTracker()
        self.anchor: TimestampAnchor | None = None


class Ingest:
    """One publisher's incoming media and the feedback it gets. Time comes in as arguments."""

    def __init__(self, negotiation: Negotiation, own_ssrc: int, max_bitrate_bps: int) -> None:
        self._own_ssrc = own_ssrc
        self._max_bitrate_bps = max_bitrate_bps
        self._formats = _formats(negotiation)
        self._with_nack = {
            media.kind for media in negotiation.media if any("nack" in codec.feedback for codec in media.codecs)
        }
        self._repairs = {rtx: main for media in negotiation.media for rtx, main in media.repairs.items()}
        self._sources: dict[int, Source] = {}
        self._current: dict[str, Source] = {}
        self._transport_cc_id = next(
            (media.extensions[TRANSPORT_CC] for media in negotiation.media if TRANSPORT_CC in media.extensions), None
        )
        self._arrivals = ArrivalRecorder()
        self._clock = PublisherClock()
        self.unrepairable = False
        """Set when a gap was too large to ask for; the owner clears it and asks for a keyframe."""
        self.padding_packets = 0
        self.repaired_packets = 0
        self.nacked = 0

    def receive(self, data: bytes, now_s: float) -> tuple[Source, RtpPacket] | None:
        """Take one decrypted packet; gives what to forward, None for padding and what nobody negotiated.

        Raises MalformedPacket.
        """
        packet = parse_rtp(data)
        if self._transport_cc_id is not None:
            self._record_arrival(packet, now_s)
        form = self._formats.get(packet.payload_type)
        if form is None:
            return None
        if form.repairs is not None:
            return self._repaired(packet, form.repairs, form.kind, now_s)
        source = self._sources.get(packet.ssrc) or self._learn(packet.ssrc, form)
        if source is None or source.kind != form.kind:
            return None
        source.codec = form.codec
        source.statistics.received(packet.sequence, packet.timestamp, now_s)
        if not source.losses.received(packet.sequence, now_s):
            self.unrepairable = True
        if not packet.payload:
            self.padding_packets += 1
        return source, packet

    def _record_arrival(self, packet: RtpPacket, now_s: float) -> None:
        for identifier, value in header_extensions(packet):
            if identifier == self._transport_cc_id and len(value) == 2:
                self._arrivals.record((value[0] << 8) | value[1], now_s)
                return

    def _learn(self, ssrc: int, form: _Format) -> Source | None:
        if len(self._sources) >= MAX_SOURCES:
            return None
        source = Source(ssrc, form, repairable=form.kind in self._with_nack)
        self._sources[ssrc] = self._current[form.kind] = source
        return source

    def _repaired(
        self, packet: RtpPacket, payload_type: int, kind: str, now_s: float
    ) -> tuple[Source, RtpPacket] | None:
        source = self._sources.get(self._repairs.get(packet.ssrc, -1)) or self._current.get(kind)
        if source is None:
            return None
        inner = unwrap_rtx(packet, payload_type, source.ssrc)
        if inner is None:
            self.padding_packets += 1
            return None
        source.losses.received(inner.sequence, now_s)
        self.repaired_packets += 1
        return source, inner

    def receive_rtcp(self, compound: bytes, now_s: float, unix_now_s: float) -> bool:
        """Take one RTCP compound; says whether it was sound."""
        try:
            messages = parse_rtcp(compound)
        except MalformedPacket:
            return False
        for message in messages:
            source = self._sources.get(message.ssrc) if isinstance(message, SenderReport) else None
            if isinstance(message, SenderReport) and source is not None:
                source.statistics.sender_report(message.ntp_middle, now_s)
                source.anchor = anchor_of(message, self._clock, source.clock_rate, now_s, unix_now_s)
        return True

    def frequent_feedback(self, now_s: float) -> list[bytes]:
        """What goes out every 50 ms: arrival times, and NACKs for what is missing."""
        out: list[bytes] = []
        fci = self._arrivals.take()
        if fci is not None:
            main = self._current.get("video") or self._current.get("audio")
            out.append(build_transport_feedback(self._own_ssrc, main.ssrc if main else 0, fci))
        for source in self._sources.values():
            asked = source.losses.due(now_s) if source.repairable and source.losses.missing else []
            if asked:
                self.nacked += len(asked)
                out.append(build_nack(self._own_ssrc, source.ssrc, asked))
        return out

    def reports(self, now_s: float) -> bytes:
        """What goes out every second: receiver reports, and REMB as the upper limit of what we take.

        Before there is anything to report an empty one goes: the peer takes silence for a broken path.
        """
        blocks = [block for s in self._sources.values() if (block := s.statistics.report_block(s.ssrc, now_s))]
        if not blocks:
            return build_receiver_report(self._own_ssrc, ())
        remb = build_remb(self._own_ssrc, self._max_bitrate_bps, self._sources)
        return build_receiver_report(self._own_ssrc, blocks) + remb

    def keyframe_request(self) -> bytes | None:
        """A PLI for the video source; None while there is none."""
        video = self._current.get("video")
        return None if video is None else build_pli(self._own_ssrc, video.ssrc)


def _formats(negotiation: Negotiation) -> dict[int, _Format]:
    formats: dict[int, _Format] = {}
    for media in negotiation.media:
        for codec in media.codecs:
            formats[codec.payload_type] = _Format(media.kind, codec.codec, codec.clock_rate, None)
            if codec.rtx_payload_type is not None:
                formats[codec.rtx_payload_type] = _Format(media.kind, codec.codec, codec.clock_rate, codec.payload_type)
    return formats


def described_source(ssrc: int, kind: str, codec: CodecId, clock_rate: int) -> Source:
    """A source whose packets come from another process, which repairs and measures it there."""
    return Source(ssrc, _Format(kind, codec, clock_rate, None), repairable=False)
