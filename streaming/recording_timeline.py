"""A recording as frames on the broadcast's clock, read segment by segment. Pure but for the segments' source."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from streaming.depacketising import Frame, FrameAssembler
from streaming.recording_chain import clock_zero_us
from streaming.recording_format import BrokenSegment, PacketRecord, Segment, SourceRecord, parse_segment
from streaming.rtp import RtpPacket

ReadSegments = Callable[[], Iterable[bytes]]
_WINDOW = 512
"""Packets held back to put late ones in their place; as many as a publisher repairs."""
_JUMP_US = 2_000_000


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame and where it lies on the broadcast's clock."""

    stream_time_us: int
    frame: Frame
    ssrc: int


def frames_of(read: ReadSegments, kind: str, zero_us: int) -> Iterator[TimedFrame]:
    """Give one kind's frames ("video" or "audio") in order; holds one segment and a window of packets in memory.

    A gap in the recording is a gap in the times. Segments that are broken are passed over: verify names them.
    """
    track: _Track | None = None
    for segment in _sound(read()):
        sources = {one.source: one for one in segment.records if isinstance(one, SourceRecord) and one.kind == kind}
        for record in segment.records:
            source = sources.get(record.source) if isinstance(record, PacketRecord) else None
            if source is None or not isinstance(record, PacketRecord):
                continue
            if track is None or (track.ssrc, track.codec) != (source.ssrc, source.codec):
                if track is not None:
                    yield from track.flush(zero_us)
                track = _Track(source)
            yield from track.take(record, zero_us)
    if track is not None:
        yield from track.flush(zero_us)


def find_zero_us(read: ReadSegments) -> int | None:
    """Find the broadcast's clock in any segment; without one the first packet is the zero."""
    first_us: int | None = None
    for segment in _sound(read()):
        zero_us = clock_zero_us(segment)
        if zero_us is not None:
            return zero_us
        arrivals = (record.arrival_us for record in segment.records if isinstance(record, PacketRecord))
        first_us = next(arrivals, None) if first_us is None else first_us
    return first_us


def _sound(segments: Iterable[bytes]) -> Iterator[Segment]:
    for data in segments:
        try:
            yield parse_segment(data)
        except BrokenSegment:
            continue


class _Track:
    """One source's packets put in order and on the clock."""

    def __init__(self, source: SourceRecord) -> None:
        self.ssrc = source.ssrc
        self.codec = source.codec
        self._clock_rate = source.clock_rate
        self._assembler = FrameAssembler(source.codec)
        self._heap: list[tuple[int, int, int, RtpPacket]] = []
        self._sequence = self._timestamp = 0
        self._begun = False
        self._offset_us: int | None = None

    def take(self, record: PacketRecord, zero_us: int) -> Iterator[TimedFrame]:
        """Take a packet in order of arrival."""
        packet = record.packet
        if not self._begun:
            self._begun, self._sequence, self._timestamp = True, packet.sequence, packet.timestamp
        self._sequence = _unwrapped(packet.sequence, self._sequence, 16)
        self._timestamp = _unwrapped(packet.timestamp, self._timestamp, 32)
        heapq.heappush(self._heap, (self._sequence, self._timestamp, record.arrival_us, packet))
        if len(self._heap) > _WINDOW:
            yield from self._next(zero_us)

    def flush(self, zero_us: int) -> Iterator[TimedFrame]:
        """Give what was held back."""
        while self._heap:
            yield from self._next(zero_us)

    def _next(self, zero_us: int) -> Iterator[TimedFrame]:
        if self._offset_us is None:
            # The packet that waited least on its way tells best when the source's clock began.
            self._offset_us = min(arrival_us - self._media_us(at) for _, at, arrival_us, _ in self._heap)
        _, timestamp, arrival_us, packet = heapq.heappop(self._heap)
        if abs(arrival_us - self._media_us(timestamp) - self._offset_us) > _JUMP_US:
            self._offset_us = arrival_us - self._media_us(timestamp)  # the publisher began its count anew
        frame = self._assembler.take(packet)
        if frame is not None:
            yield TimedFrame(max(0, self._media_us(timestamp) + self._offset_us - zero_us), frame, self.ssrc)

    def _media_us(self, timestamp: int) -> int:
        return timestamp * 1_000_000 // self._clock_rate


def _unwrapped(value: int, near: int, bits: int) -> int:
    """Extend a counter that wraps to the number nearest to `near`."""
    half, whole = 1 << (bits - 1), 1 << bits
    return near + (value - near + half) % whole - half
