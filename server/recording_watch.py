"""What crosses from the recorder to the sale: a recorder that stopped takes cards down and stops buying.

Also tells the recorder each broadcast's clock, and Postgres what was recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from server.broadcast_reader import StreamClocks
from streaming.broadcast import BroadcastStore
from streaming.recorder_disk import DiskRecorder
from streaming.recorder_redis import RecorderDirectory
from streaming.recording_chain import SegmentSummary
from streaming.recordings_postgres import PostgresRecordings

log = structlog.get_logger("recording_watch")
_EVERY_S = 0.5
_SAY_AGAIN_S = 2.0
_TIMEOUT_S = 5
_SUMMARIES_WAITING = 4_096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CardPuller(Protocol):
    """Clears a broadcast's stage; does nothing on an empty one."""

    async def __call__(self, broadcast_id: str, reason: str, *, stream_time_ms: int | None) -> bool: ...


@dataclass
class RecordingWatch:
    """Run as one task of the owner's TaskGroup, in the process that records."""

    recorder: DiskRecorder
    directory: RecorderDirectory
    recordings: PostgresRecordings
    store: BroadcastStore
    clocks: StreamClocks
    pull_card: CardPuller
    _clocked: set[str] = field(default_factory=set)
    _said: dict[str, bool] = field(default_factory=dict)
    _waiting: list[SegmentSummary] = field(default_factory=list)
    _again_s: float = 0.0

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

    async def _tell_health(self) -> None:
        health = self.recorder.health()
        now_s = asyncio.get_running_loop().time()
        again = not health.healthy and now_s >= self._again_s
        if again:
            self._again_s = now_s + _SAY_AGAIN_S
        open_now = set(self.recorder.broadcasts)
        for broadcast_id in open_now | set(self._said):
            recording = health.healthy or broadcast_id not in open_now
            if self._said.get(broadcast_id, True) is not recording:
                log.warning("recording", broadcast_id=broadcast_id, recording=recording, reason=health.reason)
            elif broadcast_id in self._said and (recording or not again):
                continue
            await self._tell(broadcast_id, recording=recording)
        for broadcast_id in set(self._said) - open_now:
            del self._said[broadcast_id]

    async def _tell(self, broadcast_id: str, *, recording: bool) -> None:
        try:
            await self.directory.put(broadcast_id, recording=recording)
            self._said[broadcast_id] = recording
        finally:
            if not recording:
                # Again and again: an order to show a card may have been on its way when the recorder stopped.
                at_ms = await self.clocks.stream_time_ms(broadcast_id)
                await self.pull_card(broadcast_id, "recording_unavailable", stream_time_ms=at_ms)

    async def _tell_clocks(self) -> None:
        open_now = set(self.recorder.broadcasts)
        for broadcast_id in open_now - self._clocked:
            broadcast = await self.store.get(broadcast_id)
            if broadcast is not None and broadcast.clock_started_at is not None:
                zero_us = (broadcast.clock_started_at - _EPOCH) // timedelta(microseconds=1)
                self.recorder.learn_clock(broadcast_id, zero_us)
                self._clocked.add(broadcast_id)
        self._clocked &= open_now
