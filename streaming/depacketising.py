"""From RTP payloads back to frames: VP8 (RFC 7741), H264 (RFC 6184), Opus (RFC 7587). Pure; no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from streaming.h264_parameters import annex_b_size
from streaming.keyframes import starts_keyframe
from streaming.rtp import RtpPacket
from streaming.vp8_descriptor import begins_frame, descriptor_bytes, keyframe_size

_START_CODE = b"\x00\x00\x00\x01"
_STAP_A, _FU_A = 24, 28


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as a decoder takes it (H264 in Annex B form); `timestamp` is RTP's own."""

    codec: str
    timestamp: int
    data: bytes
    keyframe: bool


class FrameAssembler:
    """Puts one source's packets, given in sequence, together; a frame that lacks a packet is left out and counted."""

    def __init__(self, codec: str) -> None:
        self.incomplete = 0
        self._codec = codec
        self._parts: list[bytes] = []
        self._timestamp: int | None = None
        self._whole = False
        self._keyframe = False
        self._sequence: int | None = None

    def take(self, packet: RtpPacket) -> Frame | None:
        """Take the next packet; gives the frame that it completes."""
        follows = self._sequence is not None and packet.sequence == (self._sequence + 1) & 0xFFFF
        first_ever = self._sequence is None
        self._sequence = packet.sequence
        if not packet.payload:
            self._whole = self._whole and follows
            return None
        if self._codec == "opus":
            return Frame(self._codec, packet.timestamp, packet.payload, True)
        if packet.timestamp != self._timestamp:
            self.incomplete += bool(self._parts)
            self._begin(packet, clean=follows or first_ever)
        elif not follows:
            self._whole = False
        self._add(packet)
        return self._finish() if packet.marker else None

    def _begin(self, packet: RtpPacket, *, clean: bool) -> None:
        self._timestamp, self._parts, self._keyframe = packet.timestamp, [], False
        # After a loss only VP8 says by itself that a packet begins a frame; a keyframe's beginning shows in H264 too.
        self._whole = (
            clean
            or starts_keyframe(self._codec, packet.payload)
            or (self._codec == "VP8" and begins_frame(packet.payload))
        )

    def _add(self, packet: RtpPacket) -> None:
        self._keyframe = self._keyframe or starts_keyframe(self._codec, packet.payload)
        data = vp8_data(packet.payload) if self._codec == "VP8" else h264_data(packet.payload)
        if data is None:
            self._whole = False
        else:
            self._parts.append(data)

    def _finish(self) -> Frame | None:
        parts, self._parts = self._parts, []
        timestamp = self._timestamp
        if not self._whole or timestamp is None:
            self.incomplete += 1
            return None
        return Frame(self._codec, timestamp, b"".join(parts), self._keyframe)


def vp8_data(payload: bytes) -> bytes | None:
    """Strip the payload descriptor (RFC 7741 §4.2); None where it is cut short."""
    start = descriptor_bytes(payload)
    return payload[start:] if start else None


def h264_data(payload: bytes) -> bytes | None:
    """Give the payload's NAL units or fragment in Annex B form (RFC 6184 §5.6-5.8); None where a length lies."""
    if not payload:
        return None
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        return _aggregated(payload)
    if kind != _FU_A:
        return _START_CODE + payload
    if len(payload) < 3:
        return None
    begins = _START_CODE + bytes([(payload[0] & 0xE0) | (payload[1] & 0x1F)]) if payload[1] & 0x80 else b""
    return begins + payload[2:]


def _aggregated(payload: bytes) -> bytes | None:
    units, position = [], 1
    while position + 2 <= len(payload):
        size = (payload[position] << 8) | payload[position + 1]
        position += 2
        if size == 0 or position + size > len(payload):
            return None
        units.append(_START_CODE + payload[position : position + size])
        position += size
    return b"".join(units) or None


def frame_size(frame: Frame) -> tuple[int, int] | None:
    """Give width and height where a keyframe says them (RFC 6386 §9.1, or H264's parameter set)."""
    if frame.codec != "VP8":
        return annex_b_size(frame.data)
    if len(frame.data) < 10:
        return None
    width, height = (int.from_bytes(frame.data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width, height


def packet_size(codec: str, payload: bytes) -> tuple[int, int] | None:
    """Give width and height where the first packet of a keyframe says them."""
    return keyframe_size(payload) if codec == "VP8" else annex_b_size(h264_data(payload) or b"")
