"""A broadcast's two ends in the recorder: the tape on the relay's thread, the reel on the recorder's. Blocks on disk.

Between them is the recorder's queue; what a tape finds no room for is counted, and the reel writes it down as a gap.
"""

from __future__ import annotations

from collections import deque

from streaming.ingest import Source
from streaming.recording_format import GapRecord
from streaming.rtp import RtpPacket
from streaming.segment_writer import Arrived, SegmentWriter


class Tape:
    """One broadcast's way into the recorder; `append` belongs to the relay's thread."""

    __slots__ = ("_capacity", "_queue", "broadcast_id", "dropped", "dropped_s")

    def __init__(self, broadcast_id: str, queue: deque[Queued], capacity: int) -> None:
        self.broadcast_id = broadcast_id
        self.dropped = 0
        self.dropped_s = float("-inf")
        self._queue = queue
        self._capacity = capacity

    def append(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        """Record a packet, or count it as lost; never waits."""
        if len(self._queue) < self._capacity:
            self._queue.append((self, source, packet, now_s))
        else:
            self.dropped += 1
            self.dropped_s = now_s


Queued = tuple[Tape, Source | None, RtpPacket | None, float]
"""What is queued; without source and packet the end of a tape."""


class Reel:
    """A tape's other end, on the recorder's thread: its segments, and what was lost since the last block."""

    def __init__(self, writer: SegmentWriter) -> None:
        self.writer = writer
        self.batch: list[Arrived] = []
        self.lost = 0
        self.dropped_seen = 0
        self.last_us = 0

    def write(self, now_us: int) -> int:
        """Write the batch behind the gap before it, if there was one; raises OSError, and all of it is lost then."""
        batch, self.batch = self.batch, []
        gap = GapRecord(self.lost, self.last_us or batch[0][2], batch[0][2]) if self.lost else None
        self.lost += len(batch)
        octets = self.writer.write(gap, batch, now_us)
        self.lost = 0
        self.last_us = batch[-1][2]
        return octets

    def close(self, now_us: int) -> None:
        """Say what was lost last, and end the segment; raises OSError."""
        if self.lost and self.writer.is_open:
            self.writer.write(GapRecord(self.lost, self.last_us, now_us), (), now_us)
            self.lost = 0
        self.writer.close()
