"""The recorder: packets from the relay's thread into a bounded queue, from there to disk by a thread of its own.

The relay only ever appends to the queue. When the disk is slow or full the queue fills, further packets are dropped,
counted, and written down as a gap once recording goes on (policy: drop the newest). While anything is lost the
recorder is unhealthy and says why; it tries again by itself every second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from streaming.recorder_tape import Queued, Reel, Tape
from streaming.recording_chain import SegmentSummary
from streaming.segment_files import SegmentFiles
from streaming.segment_writer import SegmentLimits, SegmentWriter

logger = logging.getLogger(__name__)
_SUMMARIES_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """What bounds the recorder; `queue_packets` of at most 1,500 bytes bound its memory (12 MB)."""

    queue_packets: int = 8_192
    batch_every_s: float = 0.05
    """A killed process loses at most what arrived since the last batch."""
    stalled_after_s: float = 3.0
    """A write that takes longer makes the recorder unhealthy while it still hangs."""
    calm_after_s: float = 3.0
    """Nothing lost for so long makes it healthy again."""
    retry_every_s: float = 1.0
    idle_close_s: float = 2.0
    """A segment that gets no packets is closed, so that another process may go on with the broadcast."""
    segments: SegmentLimits = field(default_factory=SegmentLimits)


@dataclass(frozen=True, slots=True)
class RecorderHealth:
    """Whether everything that arrives is being kept; `reason` is empty when it is."""

    healthy: bool
    reason: str


@dataclass(slots=True)
class RecorderCounters:
    """Totals since the start."""

    packets: int = 0
    octets: int = 0
    dropped: int = 0


class DiskRecorder:
    """Records any number of broadcasts. `start` before use, `stop` at the end; both belong to one thread.

    `clock` is the monotonic clock that packets are stamped with, in seconds; `unix_clock` the wall clock.
    """

    def __init__(
        self,
        files: SegmentFiles,
        limits: RecorderLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._limits = limits or RecorderLimits()
        self._clock = clock
        self._unix_offset_s = unix_clock() - clock()
        self._queue: deque[Queued] = deque()
        self._tapes: dict[str, Tape] = {}
        self._reels: dict[Tape, Reel] = {}
        self._zeros_us: dict[str, int] = {}
        self._summaries: deque[SegmentSummary] = deque(maxlen=_SUMMARIES_KEPT)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._dropped_of_closed = 0
        self._error = ""
        self._lost_s = float("-inf")
        self._alive_s = clock()
        self.counters = RecorderCounters()

    def start(self) -> None:
        """Begin to write; an unusable directory shows in `health`, it stops nothing."""
        assert self._thread is None, "a recorder is started once"
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Write what is queued and close the segments; says whether the disk was done in time. Blocks."""
        self._stopping.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def open(self, broadcast_id: str) -> Tape:
        """Give the broadcast's tape; the same one again until `close`."""
        tape = self._tapes.get(broadcast_id)
        if tape is None:
            tape = self._tapes[broadcast_id] = Tape(broadcast_id, self._queue, self._limits.queue_packets)
        return tape

    def close(self, broadcast_id: str) -> None:
        """The broadcast is over: its segment is closed once what is queued was written."""
        tape = self._tapes.pop(broadcast_id, None)
        if tape is not None:
            self._dropped_of_closed += tape.dropped
            self._queue.append((tape, None, None, self._clock()))

    def learn_clock(self, broadcast_id: str, zero_us: int) -> None:
        """Take the zero of a broadcast's stream_time_ms, once it is known."""
        self._zeros_us[broadcast_id] = zero_us

    @property
    def broadcasts(self) -> tuple[str, ...]:
        """The broadcasts with a tape."""
        return tuple(self._tapes)

    @property
    def queued(self) -> int:
        """Packets that wait for the disk."""
        return len(self._queue)

    @property
    def queue_limit(self) -> int:
        """How many may wait."""
        return self._limits.queue_packets

    def dropped(self) -> int:
        """Packets lost since the start, to a full queue and to the disk."""
        return (
            self.counters.dropped + self._dropped_of_closed + sum(tape.dropped for tape in tuple(self._tapes.values()))
        )

    def take_summaries(self) -> list[SegmentSummary]:
        """Take what happened to segments since the last call; of very many the oldest are forgotten."""
        taken: list[SegmentSummary] = []
        while self._summaries:
            taken.append(self._summaries.popleft())
        return taken

    def health(self) -> RecorderHealth:
        """Say whether everything is being kept now; any thread may ask."""
        now_s = self._clock()
        silent_s = now_s - self._alive_s
        if silent_s > self._limits.stalled_after_s:
            return RecorderHealth(False, f"the disk has not answered for {silent_s:.0f} s")
        if self._error:
            return RecorderHealth(False, self._error)
        lost_s = max(self._lost_s, *(tape.dropped_s for tape in tuple(self._tapes.values())), float("-inf"))
        if now_s - lost_s < self._limits.calm_after_s:
            return RecorderHealth(False, "packets were lost a moment ago: the disk is too slow")
        return RecorderHealth(True, "")

    def _run(self) -> None:
        tried_s = float("-inf")
        last = False
        while not last:
            last = self._stopping.wait(self._limits.batch_every_s)
            now_s = self._alive_s = self._clock()
            try:
                if (self._error or tried_s < 0) and now_s - tried_s >= self._limits.retry_every_s:
                    tried_s = now_s
                    self._try_the_disk()
                self._drain()
                self._close_idle(everything=last)
            except Exception:
                # A thread's boundary: the recorder says that it failed, and the relay goes on.
                logger.exception("the recorder failed")
                self._failed("the recorder failed; its log says why")

    def _try_the_disk(self) -> None:
        try:
            self._files.probe()
        except OSError as error:
            self._failed(error.strerror or str(error))
            return
        if self._error:
            logger.warning("recording goes on")
        self._error = ""

    def _failed(self, reason: str) -> None:
        if not self._error:
            logger.error("recording stopped: %s", reason)
        self._error = reason

    def _drain(self) -> None:
        """Write everything that is queued now, each broadcast's packets as one block."""
        # What was dropped lies behind what is queued now: the queue was full, and nobody but this thread empties it.
        waiting, dropped = len(self._queue), {tape: tape.dropped for tape in self._reels}
        for _ in range(waiting):
            tape, source, packet, now_s = self._queue.popleft()
            if source is not None and packet is not None:
                self._reel(tape).batch.append((source, packet, self._unix_us(now_s)))
            elif tape in self._reels:
                self._write(self._reels[tape])
                self._close(self._reels.pop(tape))
        for reel in self._reels.values():
            self._write(reel)
        for tape, total in dropped.items():
            if total and (reel_behind := self._reels.get(tape)) is not None:
                reel_behind.lost += total - reel_behind.dropped_seen
                reel_behind.dropped_seen = total

    def _reel(self, tape: Tape) -> Reel:
        reel = self._reels.get(tape)
        if reel is None:
            writer = SegmentWriter(self._files, tape.broadcast_id, self._limits.segments, self._summaries.append)
            reel = self._reels[tape] = Reel(writer)
        return reel

    def _write(self, reel: Reel) -> None:
        if not reel.batch:
            return
        self._set_clock(reel)
        packets = len(reel.batch)
        if self._error:
            reel.batch.clear()
            reel.lost += packets
            self._lose(packets)
            return
        try:
            self.counters.octets += reel.write(self._unix_us(self._clock()))
        except OSError as error:
            self._lose(packets)
            self._failed(error.strerror or str(error))
            return
        self.counters.packets += packets
        self._alive_s = self._clock()

    def _lose(self, packets: int) -> None:
        self.counters.dropped += packets
        self._lost_s = self._clock()

    def _close_idle(self, *, everything: bool) -> None:
        before_us = self._unix_us(self._clock() - self._limits.idle_close_s)
        for reel in self._reels.values():
            if reel.writer.is_open and (everything or reel.writer.last_write_us < before_us):
                self._close(reel)

    def _set_clock(self, reel: Reel) -> None:
        reel.writer.zero_us = self._zeros_us.get(reel.writer.broadcast_id, reel.writer.zero_us)

    def _close(self, reel: Reel) -> None:
        self._set_clock(reel)
        try:
            reel.close(self._unix_us(self._clock()))
        except OSError as error:
            self._failed(error.strerror or str(error))

    def _unix_us(self, now_s: float) -> int:
        return int((now_s + self._unix_offset_s) * 1e6)
