"""How a recording lies on disk: segments of sealed blocks of records, chained by SHA-256. Pure; no I/O.

    segment  = MAGIC | u32 length | header (JSON) | seal | block …
    block    = u32 length | records | seal
    seal     = SHA-256(seal before | u32 length | content); of the header SHA-256(MAGIC | u32 length | content)
    record   = u8 kind | u32 length | body

Numbers are big-endian, times are microseconds since 1970 (UTC). The header names the last seal of the segment
before, so one seal vouches for everything before it. A block that a crash cut short was never sealed: it is torn,
belongs to nobody, and the next segment goes on from the last seal. RTP stands without padding, CSRCs and header
extensions, which say nothing about the media.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from streaming.errors import MalformedPacket
from streaming.rtp import RtpPacket, parse_rtp

MAGIC = b"WCREC\x00\x01\n"
SEAL_LENGTH = 32
NO_SEAL = bytes(SEAL_LENGTH)
"""What the first segment of a broadcast names as the seal before it."""
_LENGTH = struct.Struct("!I")
_RECORD = struct.Struct("!BI")
_PACKET = struct.Struct("!BIHQBBHLL")
_PACKET_BODY = struct.Struct("!HQ")
_GAP = struct.Struct("!IQQ")
_MOMENT = struct.Struct("!Q")
_SOURCE, _PACKET_KIND, _GAP_KIND, _CLOCK, _END = 1, 2, 3, 4, 5
_PACKET_OVERHEAD = _PACKET.size - _RECORD.size


class BrokenSegment(Exception):
    """The bytes are not what was sealed; `offset` is where the block or header at fault begins."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"{what} (at byte {offset})")
        self.offset = offset
        self.what = what


class NeverBegun(BrokenSegment):
    """Not even the header is all there: a crash, or a full disk, as the segment was made. It held nothing."""


class Header(msgspec.Struct, frozen=True):
    """What a segment says about itself; `number` counts from 1 within its broadcast."""

    broadcast_id: str
    number: int
    previous_seal: str
    """The last seal of segment `number` - 1, hexadecimal."""
    opened_us: int
    clock_zero_us: int | None
    """Zero of stream_time_ms; None when it was not known yet, a Clock follows then."""


class SourceRecord(msgspec.Struct, frozen=True):
    """One SSRC of a publisher; packets refer to it by `source`, a number within the segment."""

    source: int
    ssrc: int
    kind: str
    codec: str
    clock_rate: int


@dataclass(frozen=True, slots=True)
class PacketRecord:
    """One RTP packet and when it arrived."""

    source: int
    arrival_us: int
    packet: RtpPacket


@dataclass(frozen=True, slots=True)
class GapRecord:
    """So many packets arrived between the two moments and were not recorded."""

    packets: int
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """The zero of stream_time_ms, learnt after the segment was opened."""

    zero_us: int


@dataclass(frozen=True, slots=True)
class EndRecord:
    """The segment was closed in good order; nothing follows."""


Record = SourceRecord | PacketRecord | GapRecord | ClockRecord | EndRecord


def encode_packet(source: int, arrival_us: int, packet: RtpPacket) -> bytes:
    """Write a packet record; called once a packet, so it builds the RTP header in the same call."""
    payload = packet.payload
    second = packet.payload_type | 0x80 if packet.marker else packet.payload_type
    return (
        _PACKET.pack(
            _PACKET_KIND, _PACKET_OVERHEAD + len(payload), source, arrival_us,
            0x80, second, packet.sequence, packet.timestamp, packet.ssrc,
        )
        + payload
    )  # fmt: skip


def encode(record: Record) -> bytes:
    """Write any record."""
    if isinstance(record, PacketRecord):
        return encode_packet(record.source, record.arrival_us, record.packet)
    if isinstance(record, SourceRecord):
        kind, body = _SOURCE, msgspec.json.encode(record)
    elif isinstance(record, GapRecord):
        kind, body = _GAP_KIND, _GAP.pack(record.packets, record.from_us, record.until_us)
    elif isinstance(record, ClockRecord):
        kind, body = _CLOCK, _MOMENT.pack(record.zero_us)
    else:
        kind, body = _END, b""
    return _RECORD.pack(kind, len(body)) + body


def open_segment(header: Header) -> tuple[bytes, bytes]:
    """Write the beginning of a segment; gives the bytes and their seal."""
    content = msgspec.json.encode(header)
    head = MAGIC + _LENGTH.pack(len(content)) + content
    seal = hashlib.sha256(head).digest()
    return head + seal, seal


def seal_block(seal_before: bytes, records: bytes) -> tuple[bytes, bytes]:
    """Write a block; gives the bytes and their seal."""
    head = _LENGTH.pack(len(records))
    seal = _seal(seal_before, head, records)
    return head + records + seal, seal


def _seal(seal_before: bytes, head: bytes, content: bytes) -> bytes:
    digest = hashlib.sha256(seal_before)
    digest.update(head)
    digest.update(content)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment whose seals all hold."""

    header: Header
    records: tuple[Record, ...]
    seal: bytes
    sealed_bytes: int
    torn_bytes: int
    """Bytes after the last seal: a block that a crash cut short, or none."""

    @property
    def ended(self) -> bool:
        """Say whether it was closed in good order."""
        return bool(self.records) and isinstance(self.records[-1], EndRecord)


def parse_segment(data: bytes) -> Segment:
    """Check every seal and read every record; raises BrokenSegment at the first that does not hold."""
    header, seal, position = _parse_header(data)
    records: list[Record] = []
    while (content := _content_at(data, position)) is not None:
        start, end = content
        if data[end : end + SEAL_LENGTH] != (seal := _seal(seal, data[position:start], data[start:end])):
            raise BrokenSegment(position, "the seal of a block does not match its bytes")
        records.extend(_records(data, start, end))
        position = end + SEAL_LENGTH
    torn = len(data) - position
    if torn and records and isinstance(records[-1], EndRecord):
        raise BrokenSegment(position, "bytes follow the end of the segment")
    return Segment(header, tuple(records), seal, position, torn)


def _parse_header(data: bytes) -> tuple[Header, bytes, int]:
    if len(data) < len(MAGIC) and MAGIC.startswith(data):
        raise NeverBegun(0, "the header is cut short")
    if data[: len(MAGIC)] != MAGIC:
        raise BrokenSegment(0, "this is no segment of a recording")
    content = _content_at(data, len(MAGIC))
    if content is None:
        raise NeverBegun(0, "the header is cut short")
    start, end = content
    seal = hashlib.sha256(data[:end]).digest()
    if data[end : end + SEAL_LENGTH] != seal:
        raise BrokenSegment(0, "the seal of the header does not match its bytes")
    try:
        return msgspec.json.decode(data[start:end], type=Header), seal, end + SEAL_LENGTH
    except msgspec.DecodeError:
        raise BrokenSegment(0, "the header is not readable") from None


def _content_at(data: bytes, position: int) -> tuple[int, int] | None:
    """Where the content of the block at `position` begins and ends; None when it is not all there."""
    start = position + _LENGTH.size
    if start > len(data):
        return None
    end = start + int(_LENGTH.unpack_from(data, position)[0])
    return (start, end) if end + SEAL_LENGTH <= len(data) else None


def _records(data: bytes, start: int, end: int) -> Iterator[Record]:
    position = start
    while position < end:
        if position + _RECORD.size > end:
            raise BrokenSegment(position, "a record is cut short")
        kind, length = _RECORD.unpack_from(data, position)
        body = data[position + _RECORD.size : position + _RECORD.size + length]
        if position + _RECORD.size + length > end:
            raise BrokenSegment(position, "a record is longer than its block")
        try:
            yield _record(kind, body)
        except (struct.error, MalformedPacket, msgspec.DecodeError, KeyError):
            raise BrokenSegment(position, f"a record of kind {kind} is not readable") from None
        position += _RECORD.size + length


def _record(kind: int, body: bytes) -> Record:
    if kind == _PACKET_KIND:
        source, arrival_us = _PACKET_BODY.unpack_from(body)
        return PacketRecord(source, arrival_us, parse_rtp(body[_PACKET_BODY.size :]))
    if kind == _SOURCE:
        return msgspec.json.decode(body, type=SourceRecord)
    if kind == _GAP_KIND:
        return GapRecord(*_GAP.unpack(body))
    if kind == _CLOCK:
        return ClockRecord(*_MOMENT.unpack(body))
    if kind == _END and not body:
        return EndRecord()
    raise KeyError(kind)
