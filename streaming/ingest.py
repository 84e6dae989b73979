"""What one publisher sends, made ready to forward: routed by SSRC and payload type, RTX undone, losses asked for. Pure.

Padding is dropped and counts for nothing (Chrome pads on RTX to probe). Sources are learnt from the packets: SDP's
`ssrc` lines are optional. The layers of a simulcast publisher are told apart by their `rid`, which stands on the first
packets of an SSRC only and so is learnt at once; layer 0 is the first that the offer lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streaming.bitrate_limit import BitrateLimit
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
from streaming.sdp_negotiation import REPAIRED_RID, RID, TRANSPORT_CC, CodecId, Negotiation
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
    """One SSRC of the publisher that carries media; `layer` is None where the publisher sends one stream only."""

    __slots__ = ("anchor", "clock_rate", "codec", "kind", "layer", "losses", "repairable", "ssrc", "statistics")

    def __init__(self, ssrc: int, form: _Format, *, repairable: bool, layer: int | None = None) -> None:
        self.ssrc = ssrc
        self.layer = layer
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
        self.limit = BitrateLimit(max_bitrate_bps)
        self._formats = _formats(negotiation)
        self._with_nack = {
            media.kind for media in negotiation.media if any("nack" in codec.feedback for codec in media.codecs)
        }
        self._repairs = {rtx: main for media in negotiation.media for rtx, main in media.repairs.items()}
        self._sources: dict[int, Source] = {}
        self._current: dict[tuple[str, int | None], Source] = {}
        self._layers = {rid: layer for media in negotiation.media for layer, rid in enumerate(media.rids)}
        self._transport_cc_id = _extension_id(negotiation, TRANSPORT_CC)
        self._rid_id, self._repaired_rid_id = _extension_id(negotiation, RID), _extension_id(negotiation, REPAIRED_RID)
        self._arrivals = ArrivalRecorder()
        self._clock = PublisherClock()
        self.unrepairable: set[int | None] = set()
        """Layers in which a gap was too large to ask for; the owner clears it and asks for keyframes."""
        self.padding_packets = 0
        self.repaired_packets = 0
        self.nacked = 0

    def receive(self, data: bytes, now_s: float) -> tuple[Source, RtpPacket] | None:
        """Take one decrypted packet; gives what to forward, None for padding and what nobody negotiated.

        Raises MalformedPacket.
        """
        packet = parse_rtp(data)
        form = self._formats.get(packet.payload_type)
        if not self.limit.admits(len(data), now_s, sound=form is not None and form.kind == "audio"):
            return None
        if self._transport_cc_id is not None:
            self._record_arrival(packet, now_s)
        if form is None:
            return None
        if form.repairs is not None:
            return self._repaired(packet, form.repairs, form.kind, now_s)
        source = self._sources.get(packet.ssrc) or self._learn(packet, form)
        if source is None or source.kind != form.kind:
            return None
        source.codec = form.codec
        source.statistics.received(packet.sequence, packet.timestamp, now_s)
        if not source.losses.received(packet.sequence, now_s):
            self.unrepairable.add(source.layer)
        if not packet.payload:
            self.padding_packets += 1
        return source, packet

    def _record_arrival(self, packet: RtpPacket, now_s: float) -> None:
        for identifier, value in header_extensions(packet):
            if identifier == self._transport_cc_id and len(value) == 2:
                self._arrivals.record((value[0] << 8) | value[1], now_s)
                return

    def _layer_of(self, packet: RtpPacket, extension_id: int | None) -> int | None:
        """The layer that the packet's rid names; None where it names none that was negotiated."""
        for identifier, value in header_extensions(packet):
            if identifier == extension_id:
                return self._layers.get(value.decode("ascii", "replace"))
        return None

    def _learn(self, packet: RtpPacket, form: _Format) -> Source | None:
        if len(self._sources) >= MAX_SOURCES:
            return None
        layer = None
        if self._layers and form.kind == "video":
            layer = self._layer_of(packet, self._rid_id)
            if layer is None:
                return None
        source = Source(packet.ssrc, form, repairable=form.kind in self._with_nack, layer=layer)
        self._sources[packet.ssrc] = self._current[form.kind, layer] = source
        return source

    def _repaired(
        self, packet: RtpPacket, payload_type: int, kind: str, now_s: float
    ) -> tuple[Source, RtpPacket] | None:
        source = self._sources.get(self._repairs.get(packet.ssrc, -1)) or self._learn_repaired(packet, kind)
        if source is None:
            return None
        inner = unwrap_rtx(packet, payload_type, source.ssrc)
        if inner is None:
            self.padding_packets += 1
            return None
        source.losses.received(inner.sequence, now_s)
        self.repaired_packets += 1
        return source, inner

    def _learn_repaired(self, packet: RtpPacket, kind: str) -> Source | None:
        layer = None
        if self._layers and kind == "video":
            layer = self._layer_of(packet, self._repaired_rid_id)
            if layer is None:
                return None
        source = self._current.get((kind, layer))
        if source is not None and layer is not None and len(self._repairs) < 2 * MAX_SOURCES:
            self._repairs[packet.ssrc] = source.ssrc
        return source

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
            out.append(build_transport_feedback(self._own_ssrc, next(iter(self._sources), 0), fci))
        for source in self._sources.values():
            repairs = source.repairable and source.losses.missing and not self.limit.shedding
            asked = source.losses.due(now_s) if repairs else []
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

    @property
    def has_video(self) -> bool:
        """True once there is a source that can be asked for keyframes."""
        return any(kind == "video" for kind, _ in self._current)

    def keyframe_request(self, layers: Iterable[int | None]) -> bytes | None:
        """A PLI for the sources of these layers, of all for None; None while there is no such source."""
        wanted = set(layers)
        asked = [
            build_pli(self._own_ssrc, source.ssrc)
            for (kind, layer), source in self._current.items()
            if kind == "video" and (None in wanted or layer in wanted)
        ]
        return b"".join(asked) or None


def _extension_id(negotiation: Negotiation, uri: str) -> int | None:
    return next((media.extensions[uri] for media in negotiation.media if uri in media.extensions), None)


def _formats(negotiation: Negotiation) -> dict[int, _Format]:
    formats: dict[int, _Format] = {}
    for media in negotiation.media:
        for codec in media.codecs:
            formats[codec.payload_type] = _Format(media.kind, codec.codec, codec.clock_rate, None)
            if codec.rtx_payload_type is not None:
                formats[codec.rtx_payload_type] = _Format(media.kind, codec.codec, codec.clock_rate, codec.payload_type)
    return formats


def described_source(ssrc: int, kind: str, codec: CodecId, clock_rate: int, layer: int | None = None) -> Source:
    """A source whose packets come from another process, which repairs and measures it there."""
    return Source(ssrc, _Format(kind, codec, clock_rate, None), repairable=False, layer=layer)
