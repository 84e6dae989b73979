"""What crosses from streaming to the room: publisher and broadcast state, and the clock's start."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import redis.exceptions
import structlog

from chat.broker import Broker
from chat.envelope import seal
from chat.errors import Unavailable
from chat.events import StateChanged
from server.broadcast_reader import StreamClocks, publisher_status
from server.owned_tasks import together
from streaming.broadcast import Broadcast, BroadcastStore
from streaming.directory_redis import REFRESH_S, PublisherDirectory, PublisherStatus
from streaming.media_events import (
    MediaEvent,
    PublisherGone,
    PublisherResumed,
    PublisherStalled,
    PublisherStarted,
)

log = structlog.get_logger("stream_state")
_QUEUE = 1_024
_PUBLISH_TIMEOUT_S = 2
_STORE_TIMEOUT_S = 5
_AGAIN_S = 1


@dataclass
class StreamState:
    """Takes the engine's events in order; run as one task of the owner's TaskGroup.

    The queue is bounded: publisher events are few, so an overflow means that Postgres or Redis has been away for
    long; the newest is then dropped and said so, and the next event of that broadcast puts it right. What an event
    could not do while one of them was away is tried again every second, as one entry a broadcast: a clock that could
    not be started keeps the time of its first packet, and a room is told how things stand by then.
    """

    store: BroadcastStore
    directory: PublisherDirectory
    broker: Broker
    clocks: StreamClocks
    _queue: "asyncio.Queue[MediaEvent]" = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    _publishers: dict[str, PublisherStatus] = field(default_factory=dict)
    _unannounced: set[str] = field(default_factory=set)
    _unstarted: dict[str, datetime] = field(default_factory=dict)

    def on_event(self, event: MediaEvent) -> None:
        """Take an event from the engine; never blocks."""
        if isinstance(event, PublisherStarted | PublisherStalled | PublisherResumed | PublisherGone):
            try:
                self._queue.put_nowait(event)
            except asyncio.QueueFull:
                log.error("stream_event_dropped", broadcast_id=event.broadcast_id, kind=type(event).__name__)

    async def run(self) -> None:
        """Work through events, refresh our publishers' leases, say again what was not heard; until cancelled."""
        await together(self._take_events(), self._keep_leases(), self._make_good())

    async def _take_events(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._apply(event)
            except Exception:  # one broadcast's trouble must not stop the others' events
                log.exception("stream_event_failed", broadcast_id=event.broadcast_id)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            if not self._publishers:
                continue
            try:
                async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                    await self.directory.refresh(dict(self._publishers))
            except (redis.exceptions.RedisError, OSError, TimeoutError):
                log.warning("publishers_not_refreshed", count=len(self._publishers))

    async def _make_good(self) -> None:
        """Start the clocks that could not be started, and tell the rooms that were not told, once it can be done."""
        while True:
            await asyncio.sleep(_AGAIN_S)
            for broadcast_id in [*self._unstarted, *(self._unannounced - self._unstarted.keys())]:
                if (first_packet := self._unstarted.pop(broadcast_id, None)) is not None:
                    await self._start_clock(broadcast_id, first_packet)
                    if broadcast_id in self._unstarted:
                        continue
                await self._announce_now(broadcast_id)

    async def _start_clock(self, broadcast_id: str, first_packet: datetime) -> None:
        """Set the zero of the stream's time; while Postgres is away the first packet's time is kept for later."""
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S):
                started = await self.store.start_clock(broadcast_id, first_packet)
        except Exception as error:  # whatever the store raises: a show must not go without a clock for it
            log.warning("clock_waits", broadcast_id=broadcast_id, error=type(error).__name__)
            if len(self._unstarted) < _QUEUE:
                self._unstarted.setdefault(broadcast_id, first_packet)
            return
        if started is not None:
            self.clocks.learn(broadcast_id, started)

    async def _announce_now(self, broadcast_id: str, publisher: PublisherStatus | None = None) -> None:
        """Announce what the store says; while it cannot say, the broadcast waits for the next round."""
        self._unannounced.discard(broadcast_id)
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S):
                broadcast = await self.store.get(broadcast_id)
        except Exception as error:  # whatever the store raises means "not now"
            self._announce_later(broadcast_id)
            log.warning("state_waits", broadcast_id=broadcast_id, error=type(error).__name__)
            return
        if broadcast is not None:
            await self.announce(broadcast, publisher)

    def _announce_later(self, broadcast_id: str) -> None:
        if len(self._unannounced) < _QUEUE:
            self._unannounced.add(broadcast_id)

    async def _apply(self, event: MediaEvent) -> None:
        broadcast_id = event.broadcast_id
        if isinstance(event, PublisherStarted):
            await self._start_clock(broadcast_id, self._unstarted.pop(broadcast_id, event.at))
        status: PublisherStatus = "flowing"
        if isinstance(event, PublisherStalled):
            status = "stalled"
        elif isinstance(event, PublisherGone):
            status = "none"
        self._publishers[broadcast_id] = status
        if status == "none":
            del self._publishers[broadcast_id]
        counts = await self._record(broadcast_id, status, started=isinstance(event, PublisherStarted))
        await self._announce_now(broadcast_id, status if counts else None)

    async def announce(self, broadcast: Broadcast, publisher: PublisherStatus | None = None) -> None:
        """Tell the room how things stand; while Redis is away pages learn it from their next snapshot."""
        if publisher is None:
            publisher = await publisher_status(self.directory, broadcast.broadcast_id)
        now_ms = await self.clocks.stream_time_ms(broadcast.broadcast_id)
        event = StateChanged(str(broadcast.state), publisher, now_ms)
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                await self.broker.publish(broadcast.broadcast_id, seal(event))
        except (Unavailable, TimeoutError):
            self._announce_later(broadcast.broadcast_id)
            log.warning("state_not_announced", broadcast_id=broadcast.broadcast_id, state=str(broadcast.state))

    async def _record(self, broadcast_id: str, status: PublisherStatus, *, started: bool) -> bool:
        """Say whether it counts: another process may have the broadcast's publisher by now."""
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                if not started:
                    return await self.directory.put(broadcast_id, status)
                await self.directory.start(broadcast_id)
        except (redis.exceptions.RedisError, OSError, TimeoutError):
            log.warning("publisher_not_recorded", broadcast_id=broadcast_id)
        return True
