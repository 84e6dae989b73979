"""The leg between two media processes: one broadcast's packets, once, for the other's own viewers. Pure.

Messages go over a connection that keeps order and loses nothing (a WebSocket over loopback or a private network):
text describes a source whenever something about it changed, binary is one packet. Back comes the word `keyframe`.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from streaming.errors import MalformedPacket
from streaming.ingest import Source, described_source
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import MAX_LAYERS, CodecId
from streaming.sender_reports import TimestampAnchor

KEYFRAME: Final = "keyframe"
_PACKET = struct.Struct("!BBHL")
_MOST_SOURCES = 64
_LAYERS = (None, *range(MAX_LAYERS))


class SourceDescription(msgspec.Struct, frozen=True):
    """One SSRC of the publisher; `anchor` is (NTP seconds, RTP timestamp, seconds since it was learnt)."""

    index: int
    ssrc: int
    kind: str
    codec: str
    profile: str
    clock_rate: int
    anchor: tuple[float, int, float] | None = None
    layer: int | None = None


class LegSender:
    """Turns what a relay forwards into messages."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[int, CodecId, TimestampAnchor | None]] = {}

    def messages(self, source: Source, packet: RtpPacket, now_s: float) -> list[str | bytes]:
        """One packet's messages, the source's description before it where that is news."""
        told = self._told.get(source.ssrc)
        if told is None and len(self._told) == _MOST_SOURCES:
            self._told.clear()  # publishers came and went; numbers are given anew
        index = told[0] if told is not None else len(self._told)
        out: list[str | bytes] = []
        if told != (index, source.codec, source.anchor):
            self._told[source.ssrc] = (index, source.codec, source.anchor)
            out.append(_describe(index, source, now_s))
        head = _PACKET.pack(index, packet.marker, packet.sequence, packet.timestamp)
        out.append(head + packet.payload)
        return out


class LegReceiver:
    """Turns messages back into sources and packets."""

    def __init__(self) -> None:
        self._sources: dict[int, Source] = {}

    def take(self, message: str | bytes, now_s: float) -> tuple[Source, RtpPacket] | None:
        """Give the packet of a message, None for a description; raises MalformedPacket for what is neither."""
        if isinstance(message, str):
            self._learn(message, now_s)
            return None
        if len(message) < _PACKET.size:
            raise MalformedPacket("a leg's packet is shorter than its header")
        index, marker, sequence, timestamp = _PACKET.unpack_from(message)
        source = self._sources.get(index)
        if source is None:
            raise MalformedPacket("a leg's packet is of a source that was not described")
        payload = message[_PACKET.size :]
        return source, RtpPacket(0, sequence, timestamp, source.ssrc, payload, marker=bool(marker))

    def _learn(self, text: str, now_s: float) -> None:
        try:
            told = msgspec.json.decode(text, type=SourceDescription)
        except msgspec.DecodeError as error:
            raise MalformedPacket(f"a leg's description cannot be read: {error}") from None
        if not 0 <= told.index < _MOST_SOURCES or told.kind not in ("audio", "video") or told.layer not in _LAYERS:
            raise MalformedPacket("a leg describes what is no source")
        source = self._sources.get(told.index)
        codec = CodecId(told.codec, told.profile)
        if source is None or (source.ssrc, source.kind, source.layer) != (told.ssrc, told.kind, told.layer):
            source = described_source(told.ssrc, told.kind, codec, told.clock_rate, told.layer)
            self._sources[told.index] = source
        source.codec = codec
        if told.anchor is not None:
            ntp_s, rtp_timestamp, age_s = told.anchor
            source.anchor = TimestampAnchor(ntp_s, rtp_timestamp, now_s - age_s, told.clock_rate)


def _describe(index: int, source: Source, now_s: float) -> str:
    anchor = source.anchor
    described = SourceDescription(
        index,
        source.ssrc,
        source.kind,
        source.codec.name,
        source.codec.profile,
        source.clock_rate,
        None if anchor is None else (anchor.ntp_s, anchor.rtp_timestamp, now_s - anchor.arrived_s),
        source.layer,
    )
    return msgspec.json.encode(described).decode()
