"""RTP packets as RFC 3550 and RFC 8285 lay them out: parse, header extensions, RTX. Pure; no I/O.

Parsed once a packet and shared by all viewers, so the class is plain and slotted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from streaming.errors import MalformedPacket

HEADER_LENGTH = 12
_HEADER = struct.Struct("!BBHLL")
_EXTENSION_HEADER = struct.Struct("!HH")
ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000


class RtpPacket:
    """One RTP packet without padding and without CSRCs; `extension` is still packed."""

    __slots__ = ("extension", "extension_profile", "marker", "payload", "payload_type", "sequence", "ssrc", "timestamp")

    def __init__(
        self,
        payload_type: int,
        sequence: int,
        timestamp: int,
        ssrc: int,
        payload: bytes,
        *,
        marker: bool = False,
        extension_profile: int = 0,
        extension: bytes = b"",
    ) -> None:
        self.payload_type = payload_type
        self.sequence = sequence
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.payload = payload
        self.marker = marker
        self.extension_profile = extension_profile
        self.extension = extension


def parse_rtp(data: bytes) -> RtpPacket:
    """Parse one datagram, padding removed; raises MalformedPacket where a length lies (RFC 3550 §5.1)."""
    if len(data) < HEADER_LENGTH:
        raise MalformedPacket("RTP shorter than its header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise MalformedPacket("RTP version is not 2")
    start, end = HEADER_LENGTH + 4 * (first & 0x0F), len(data)
    profile, extension = 0, b""
    if first & 0x10:
        if end < start + 4:
            raise MalformedPacket("RTP extension header is truncated")
        profile, words = _EXTENSION_HEADER.unpack_from(data, start)
        extension = data[start + 4 : start + 4 + 4 * words]
        start += 4 + 4 * words
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise MalformedPacket("RTP padding of length zero")
        end -= padding
    if start > end:
        raise MalformedPacket("RTP header, extension and padding exceed the packet")
    return RtpPacket(
        second & 0x7F,
        sequence,
        timestamp,
        ssrc,
        data[start:end],
        marker=second >= 0x80,
        extension_profile=profile,
        extension=extension,
    )


def serialize_rtp(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False
) -> bytes:
    """Build a packet without extensions, padding or CSRCs."""
    return _HEADER.pack(0x80, payload_type | (0x80 if marker else 0), sequence, timestamp, ssrc) + payload


def header_extensions(packet: RtpPacket) -> Iterator[tuple[int, bytes]]:
    """Yield (id, value) of RFC 8285 elements; stops quietly at the first that overruns."""
    data, profile = packet.extension, packet.extension_profile
    if profile == ONE_BYTE_PROFILE:
        yield from _one_byte_elements(data)
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        yield from _two_byte_elements(data)


def _one_byte_elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    position, end = 0, len(data)
    while position < end:
        head = data[position]
        if head == 0:
            position += 1
            continue
        identifier, length = head >> 4, (head & 0x0F) + 1
        if identifier == 15 or position + 1 + length > end:
            return
        yield identifier, data[position + 1 : position + 1 + length]
        position += 1 + length


def _two_byte_elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    position, end = 0, len(data)
    while position < end:
        identifier = data[position]
        if identifier == 0:
            position += 1
            continue
        if position + 2 > end or position + 2 + data[position + 1] > end:
            return
        length = data[position + 1]
        yield identifier, data[position + 2 : position + 2 + length]
        position += 2 + length


def unwrap_rtx(packet: RtpPacket, payload_type: int, ssrc: int) -> RtpPacket | None:
    """Give the packet an RTX packet carries (RFC 4588 §4); None when it carries padding only."""
    if len(packet.payload) <= 2:
        return None
    return RtpPacket(
        payload_type,
        (packet.payload[0] << 8) | packet.payload[1],
        packet.timestamp,
        ssrc,
        packet.payload[2:],
        marker=packet.marker,
    )


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP on one port (RFC 5761 §4); `data` has at least two bytes."""
    return 192 <= data[1] <= 223
