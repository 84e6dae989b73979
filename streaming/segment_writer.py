"""Writes one broadcast's segments in order: chained to what lies there, rotated, synced. Blocking I/O by its port.

Belongs to one thread. What a crash or a full disk cut short stays as it is; the next segment goes on from the last
seal. fsync: a segment is synced once a second while it is written, and when it is closed, so a power cut costs about
a second and a killed process only what had not been handed to the kernel.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from streaming.ingest import Source
from streaming.recording_chain import SegmentSummary, clock_zero_us, stream_ms, summarise
from streaming.recording_format import (
    NO_SEAL,
    BrokenSegment,
    ClockRecord,
    EndRecord,
    GapRecord,
    Header,
    NeverBegun,
    SourceRecord,
    encode,
    encode_packet,
    open_segment,
    parse_segment,
    seal_block,
)
from streaming.rtp import RtpPacket
from streaming.segment_files import SegmentFile, SegmentFiles, segment_name

Arrived = tuple[Source, RtpPacket, int]
"""A packet of a source, and when it arrived (microseconds since 1970)."""
_REMEMBERED = 1_024
"""Sequence numbers a source, within which a packet that came twice (late and repaired) is written once."""
_SOURCES_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """When a segment is closed and when it is synced."""

    rotate_after_s: float = 60.0
    rotate_after_bytes: int = 32 * 1024 * 1024
    sync_every_s: float = 1.0


class SegmentWriter:
    """One broadcast's recording; `tell` gets a summary of each segment when it opens and when it closes.

    Methods raise OSError; the segment at hand is then given up, and the next call begins another.
    """

    def __init__(
        self, files: SegmentFiles, broadcast_id: str, limits: SegmentLimits, tell: Callable[[SegmentSummary], None]
    ) -> None:
        self.broadcast_id = broadcast_id
        self.zero_us: int | None = None
        self.last_write_us = 0
        self._files = files
        self._limits = limits
        self._tell = tell
        self._chained = False
        self._number = 0
        self._seal = NO_SEAL
        self._open: _OpenSegment | None = None
        self._seen: OrderedDict[Source, OrderedDict[int, None]] = OrderedDict()

    def write(self, gap: GapRecord | None, packets: Iterable[Arrived], now_us: int) -> int:
        """Append packets as one block, after a gap that lies before them; returns the bytes written."""
        fresh = [arrived for arrived in packets if self._is_new(arrived[0], arrived[1].sequence)]
        segment = self._segment(now_us)
        try:
            written = self._append(segment, gap, fresh)
            self.last_write_us = now_us
            if now_us - segment.synced_us >= self._limits.sync_every_s * 1e6:
                segment.file.sync()
                segment.synced_us = now_us
        except OSError:
            self._abandon()
            raise
        if self._is_full(segment, now_us):
            self.close()
        return written

    def close(self) -> None:
        """End the open segment in good order; nothing happens without one."""
        segment = self._open
        if segment is None:
            return
        clock = b"" if self.zero_us is None or segment.clocked else encode(ClockRecord(self.zero_us))
        try:
            self._seal_into(segment, clock + encode(EndRecord()))
            segment.file.sync()
        except OSError:
            self._abandon()
            raise
        self._open = None
        segment.file.close()
        self._tell(self._summary(segment, ended=True))

    @property
    def is_open(self) -> bool:
        """Say whether a segment is being written."""
        return self._open is not None

    def _is_new(self, source: Source, sequence: int) -> bool:
        seen = self._seen.get(source)
        if seen is None:
            seen = self._seen[source] = OrderedDict()
            if len(self._seen) > _SOURCES_REMEMBERED:
                self._seen.popitem(last=False)
        if sequence in seen:
            return False
        seen[sequence] = None
        if len(seen) > _REMEMBERED:
            seen.popitem(last=False)
        return True

    def _append(self, segment: _OpenSegment, gap: GapRecord | None, packets: list[Arrived]) -> int:
        parts: list[bytes] = []
        if self.zero_us is not None and not segment.clocked:
            parts.append(encode(ClockRecord(self.zero_us)))
        if gap is not None:
            parts.append(encode(gap))
        for source, packet, arrival_us in packets:
            number = segment.sources.get((source, source.codec.name))
            if number is None:
                number = segment.number_source(source)
                parts.append(
                    encode(SourceRecord(number, source.ssrc, source.kind, source.codec.name, source.clock_rate))
                )
            parts.append(encode_packet(number, arrival_us, packet))
        if not parts:
            return 0
        written = self._seal_into(segment, b"".join(parts))
        segment.clocked = segment.clocked or self.zero_us is not None
        segment.count(gap, packets)
        return written

    def _seal_into(self, segment: _OpenSegment, records: bytes) -> int:
        block, seal = seal_block(self._seal, records)
        segment.file.write(block)
        self._seal = seal
        segment.octets += len(block)
        return len(block)

    def _segment(self, now_us: int) -> _OpenSegment:
        if self._open is None:
            if not self._chained or self._overtaken():
                self._find_end()
            header = Header(self.broadcast_id, self._number + 1, self._seal.hex(), now_us, self.zero_us)
            beginning, seal = open_segment(header)
            self._chained = False  # until the segment stands: a part of it may have been made
            file = self._files.create(self.broadcast_id, segment_name(header.number))
            try:
                file.write(beginning)
            except OSError:
                file.close()
                raise
            self._chained = True
            self._number, self._seal = header.number, seal
            self._open = _OpenSegment(header, file, len(beginning))
            self._tell(self._summary(self._open, ended=False))
        return self._open

    def _overtaken(self) -> bool:
        """Say whether another process went on with this broadcast meanwhile."""
        names = self._files.names(self.broadcast_id)
        return bool(names) and names[-1] != segment_name(self._number)

    def _find_end(self) -> None:
        """Take up the chain where an earlier process, or a segment given up, left it."""
        names = self._files.names(self.broadcast_id)
        self._number, self._seal = 0, NO_SEAL
        if names:
            self._number = int(names[-1].split(".")[0])
        for name in reversed(names):
            try:
                last = parse_segment(self._files.read(self.broadcast_id, name))
            except NeverBegun:
                continue
            except BrokenSegment:
                break  # the chain is broken there already: what follows is a chain of its own, and verify says so
            self._seal = last.seal
            self.zero_us = self.zero_us if self.zero_us is not None else clock_zero_us(last)
            self._tell(summarise(last, self.zero_us))
            break
        self._chained = True

    def _abandon(self) -> None:
        """Leave a segment whose last block may be torn; its last seal is where the next goes on."""
        segment, self._open = self._open, None
        if segment is not None:
            self._tell(self._summary(segment, ended=False))
            with contextlib.suppress(OSError):  # what failed was said already; the descriptor is gone either way
                segment.file.close()

    def _is_full(self, segment: _OpenSegment, now_us: int) -> bool:
        age_us = now_us - segment.header.opened_us
        return segment.octets >= self._limits.rotate_after_bytes or age_us >= self._limits.rotate_after_s * 1e6

    def _summary(self, segment: _OpenSegment, *, ended: bool) -> SegmentSummary:
        zero_us, known = self.zero_us, segment.last_us > 0
        return SegmentSummary(
            broadcast_id=self.broadcast_id,
            number=segment.header.number,
            previous_seal=segment.header.previous_seal,
            seal=self._seal.hex(),
            sealed_bytes=segment.octets,
            packets=segment.packets,
            gaps=segment.gaps,
            dropped_packets=segment.dropped,
            opened_us=segment.header.opened_us,
            first_stream_time_ms=stream_ms(segment.first_us, zero_us) if known and zero_us is not None else None,
            last_stream_time_ms=stream_ms(segment.last_us, zero_us) if known and zero_us is not None else None,
            ended=ended,
        )


class _OpenSegment:
    """What is known of the segment being written."""

    def __init__(self, header: Header, file: SegmentFile, octets: int) -> None:
        self.header = header
        self.file = file
        self.octets = octets
        self.clocked = header.clock_zero_us is not None
        self.sources: dict[tuple[Source, str], int] = {}
        self.synced_us = header.opened_us
        self.packets = self.gaps = self.dropped = 0
        self.first_us = self.last_us = 0

    def number_source(self, source: Source) -> int:
        number = self.sources[source, source.codec.name] = len(self.sources)
        return number

    def count(self, gap: GapRecord | None, packets: list[Arrived]) -> None:
        self.packets += len(packets)
        if gap is not None:
            self.gaps += 1
            self.dropped += gap.packets
        if packets:
            self.first_us = self.first_us or packets[0][2]
            self.last_us = packets[-1][2]
