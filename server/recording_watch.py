"""What crosses from the recorder: how it stands, for the sale to ask; its segments, to Postgres.

Also tells the recorder each broadcast's clock. Does I/O through its ports.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from server.broadcast_reader import StreamClocks
from streaming.broadcast import BroadcastStore
from streaming.recorder_disk import DiskRecorder
from streaming.recorder_redis import BEAT_S, RecorderDirectory, RecorderStatus
from streaming.recording_chain import SegmentSummary
from streaming.recordings_postgres import PostgresRecordings

log = structlog.get_logger("recording_watch")
_EVERY_S = 0.5
_TIMEOUT_S = 5
_SUMMARIES_WAITING = 4_096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class RecordingWatch:
    """Run as one task of the owner's TaskGroup, in the process that records."""

    recorder: DiskRecorder
    directory: RecorderDirectory
    recordings: PostgresRecordings
    store: BroadcastStore
    clocks: StreamClocks
    _clocked: set[str] = field(default_factory=set)
    _said: dict[str, RecorderStatus] = field(default_factory=dict)
    _waiting: list[SegmentSummary] = field(default_factory=list)
    _beat_due_s: float = 0.0

    def start(self) -> None:
        """Begin to record."""
        self.recorder.start()

    async def stop(self, timeout_s: float) -> None:
        """Close the segments and keep what is known of them; a hung disk does not hold the exit up."""
        await asyncio.to_thread(self.recorder.stop, timeout_s)
        await self._bounded("segments", self.keep_summaries)

    async def run(self) -> None:
        """Look twice a second until cancelled."""
        while True:
            await self._bounded("health", self._tell_health)
            await self._bounded("clock", self._tell_clocks)
            await self._bounded("segments", self.keep_summaries)
            await asyncio.sleep(_EVERY_S)

    async def keep_summaries(self) -> None:
        """Take what the recorder tells of segments to Postgres; while that is away it waits here, the newest kept."""
        self._waiting = [*self._waiting, *self.recorder.take_summaries()][-_SUMMARIES_WAITING:]
        if self._waiting:
            await self.recordings.put(self._waiting)
            self._waiting = []

    async def _bounded(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await step()
        except Exception:  # a task's boundary: Redis or Postgres is away, and the next turn tries again
            log.exception("recording_watch_failed", what=what)

    @property
    def failing(self) -> frozenset[str]:
        """The broadcasts that come in here and are not recorded now; asks nobody, so it holds without Redis too."""
        return frozenset() if self.recorder.health().healthy else frozenset(self.recorder.broadcasts)

    async def _tell_health(self) -> None:
        health = self.recorder.health()
        status: RecorderStatus = "recording" if health.healthy else "failing"
        now_s = asyncio.get_running_loop().time()
        beat = now_s >= self._beat_due_s
        if beat:
            self._beat_due_s = now_s + BEAT_S
        open_now = set(self.recorder.broadcasts)
        for broadcast_id in open_now:
            said = self._said.get(broadcast_id)
            if said is not status and (said is not None or status == "failing"):
                log.warning("recording", broadcast_id=broadcast_id, status=status, reason=health.reason)
            if said is not status or beat:
                await self.directory.put(broadcast_id, status)
                self._said[broadcast_id] = status
        for broadcast_id in set(self._said) - open_now:
            await self.directory.forget(broadcast_id)
            del self._said[broadcast_id]

    async def _tell_clocks(self) -> None:
        open_now = set(self.recorder.broadcasts)
        for broadcast_id in open_now - self._clocked:
            broadcast = await self.store.get(broadcast_id)
            if broadcast is not None and broadcast.clock_started_at is not None:
                zero_us = (broadcast.clock_started_at - _EPOCH) // timedelta(microseconds=1)
                self.recorder.learn_clock(broadcast_id, zero_us)
                self._clocked.add(broadcast_id)
        self._clocked &= open_now
