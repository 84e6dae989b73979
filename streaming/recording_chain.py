"""Whether the segments of one broadcast are all there, in order and unaltered. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streaming.recording_format import (
    NO_SEAL,
    BrokenSegment,
    ClockRecord,
    GapRecord,
    NeverBegun,
    PacketRecord,
    Segment,
    parse_segment,
)


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """What one segment holds; the times are stream_time_ms, None while the broadcast's clock is not known."""

    broadcast_id: str
    number: int
    previous_seal: str
    seal: str
    sealed_bytes: int
    packets: int
    gaps: int
    dropped_packets: int
    opened_us: int
    first_stream_time_ms: int | None
    last_stream_time_ms: int | None
    """None also in a segment that a crash ended before its clock was written; the others know it."""
    ended: bool


@dataclass(slots=True)
class ChainReport:
    """What was found: problems make the recording doubtful, notes explain what a crash left."""

    segments: list[SegmentSummary] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify_chain(
    broadcast_id: str, segments: Iterable[tuple[str, bytes]], kept_seals: Mapping[int, str] | None = None
) -> ChainReport:
    """Check (name, bytes) in the order of their names; `kept_seals` are those that were kept elsewhere, by number.

    Without `kept_seals` nobody can tell when whole segments are missing at the very end.
    """
    report = ChainReport()
    expected, seal, torn = 1, NO_SEAL.hex(), ""
    for name, data in segments:
        try:
            segment = parse_segment(data)
        except NeverBegun as error:
            report.notes += [torn] if torn else []
            expected, torn = expected + 1, f"{name}: {error}, left by a crash or a full disk"
            continue
        except BrokenSegment as error:
            report.problems.append(f"{name}: {error}")
            expected, seal, torn = expected + 1, "", ""
            continue
        header = segment.header
        report.problems += _misplaced(name, segment, broadcast_id, expected, seal)
        report.notes += [torn] if torn else []
        torn = f"{name}: {segment.torn_bytes} bytes after the last seal, left by a crash" if segment.torn_bytes else ""
        expected, seal = header.number + 1, segment.seal.hex()
        report.segments.append(summarise(segment, clock_zero_us(segment)))
    if torn:
        report.problems.append(f"{torn}, or altered: no later segment confirms where it ended")
    report.problems += _against(report, kept_seals or {})
    return report


def _misplaced(name: str, segment: Segment, broadcast_id: str, expected: int, seal: str) -> Iterator[str]:
    header = segment.header
    if header.broadcast_id != broadcast_id:
        yield f"{name}: belongs to {header.broadcast_id}"
    if header.number > expected:
        missing = f"segment {expected}" if header.number == expected + 1 else f"segments {expected}–{header.number - 1}"
        yield f"{missing} missing before {name}"
    elif header.number < expected:
        yield f"{name}: holds segment {header.number} where {expected} belongs"
    elif seal and header.previous_seal != seal:
        yield f"{name}: does not follow the segment before it (one of the two was exchanged or cut)"


def _against(report: ChainReport, kept_seals: Mapping[int, str]) -> Iterator[str]:
    found = {summary.number: summary.seal for summary in report.segments}
    for number, kept in sorted(kept_seals.items()):
        if number not in found:
            yield f"segment {number} missing or broken: the database knows it"
        elif found[number] != kept:
            yield f"segment {number}: the database kept another seal of it"


def clock_zero_us(segment: Segment) -> int | None:
    """The zero of stream_time_ms as far as this segment knows it."""
    learnt = [record.zero_us for record in segment.records if isinstance(record, ClockRecord)]
    return learnt[-1] if learnt else segment.header.clock_zero_us


def stream_ms(at_us: int, zero_us: int) -> int:
    """Turn a moment into stream_time_ms, never negative."""
    return max(0, (at_us - zero_us) // 1000)


def summarise(segment: Segment, zero_us: int | None) -> SegmentSummary:
    """Count what a segment holds."""
    arrivals = [record.arrival_us for record in segment.records if isinstance(record, PacketRecord)]
    gaps = [record for record in segment.records if isinstance(record, GapRecord)]
    timed = zero_us is not None and arrivals
    return SegmentSummary(
        broadcast_id=segment.header.broadcast_id,
        number=segment.header.number,
        previous_seal=segment.header.previous_seal,
        seal=segment.seal.hex(),
        sealed_bytes=segment.sealed_bytes,
        packets=len(arrivals),
        gaps=len(gaps),
        dropped_packets=sum(gap.packets for gap in gaps),
        opened_us=segment.header.opened_us,
        first_stream_time_ms=stream_ms(min(arrivals), zero_us) if timed and zero_us is not None else None,
        last_stream_time_ms=stream_ms(max(arrivals), zero_us) if timed and zero_us is not None else None,
        ended=segment.ended,
    )
