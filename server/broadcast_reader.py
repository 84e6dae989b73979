"""What rooms and the sale ask about a broadcast, read from where it is kept. Does I/O through its ports."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import redis.exceptions
import structlog

import chat.ports
import commerce.ports
from chat.errors import Unavailable
from commerce.stage import Stage
from server.broadcasting import MonitorPresence
from server.http.broadcast_view import view
from streaming.broadcast import Broadcast, BroadcastStore
from streaming.directory_redis import PublisherDirectory, PublisherStatus
from streaming.lifecycle import ON_AIR, hidden_from
from streaming.recorder_redis import SILENT_AFTER_S, RecorderDirectory
from streaming.stream_clock import stream_time_ms

log = structlog.get_logger("broadcast_reader")
_REDIS_TIMEOUT_S = 1
_PRESENCE_TIMEOUT_S = 2  # two media may be asked
_BEATS_AGAIN_WITHIN = timedelta(seconds=SILENT_AFTER_S)
_CLOCKS_KEPT = 10_000
_UNSTARTED_ASK_AGAIN = timedelta(seconds=1)


class StreamClocks:
    """The zero of each broadcast's clock, kept in memory: it never changes once it is set."""

    def __init__(self, store: BroadcastStore) -> None:
        self._store = store
        self._started: dict[str, datetime] = {}
        self._asked: dict[str, datetime] = {}

    async def stream_time_ms(self, broadcast_id: str) -> int | None:
        """Milliseconds now; None before the first packet, or while Postgres cannot say."""
        now = datetime.now(UTC)
        if (started := self._started.get(broadcast_id)) is not None:
            return stream_time_ms(started, now)
        if now - self._asked.get(broadcast_id, datetime.min.replace(tzinfo=UTC)) < _UNSTARTED_ASK_AGAIN:
            return None
        if len(self._asked) >= _CLOCKS_KEPT:
            self._asked.clear()
        self._asked[broadcast_id] = now
        try:
            broadcast = await self._store.get(broadcast_id)
        except Exception:  # the room goes on without a stream time while Postgres is away
            log.warning("stream_clock_unreadable", broadcast_id=broadcast_id)
            return None
        if broadcast is None or broadcast.clock_started_at is None:
            return None
        self.learn(broadcast_id, broadcast.clock_started_at)
        return stream_time_ms(broadcast.clock_started_at, now)

    def learn(self, broadcast_id: str, started_at: datetime) -> None:
        """Take the zero from who has just set or read it."""
        if len(self._started) >= _CLOCKS_KEPT:
            self._started.clear()
        self._started[broadcast_id] = started_at


class RoomReader:
    """Implements `chat.ports.BroadcastReader`: the broadcast's side of a snapshot."""

    def __init__(self, store: BroadcastStore, directory: PublisherDirectory, stage: Stage) -> None:
        self._store = store
        self._directory = directory
        self._stage = stage

    async def read(self, broadcast_id: str) -> chat.ports.BroadcastFacts | None:
        """Read broadcast, card and publisher side by side."""
        broadcast, shown, publisher = await asyncio.gather(
            self._store.get(broadcast_id),
            self._stage.shown(broadcast_id),
            publisher_status(self._directory, broadcast_id),
        )
        if broadcast is None:
            return None
        # Only an empty stage has to say why it is empty, and only while there is something to sell.
        silent = shown is not None or broadcast.state not in ON_AIR
        stopped = None if silent else await self._stage.stopped(broadcast_id)
        return room_facts(broadcast, shown and shown["card"], publisher, stopped)


def room_facts(
    broadcast: Broadcast, card: Mapping[str, Any] | None, publisher: PublisherStatus, sale_stopped: str | None
) -> chat.ports.BroadcastFacts:
    """Put together what a joiner is told; tips are off while a card is shown."""
    now = datetime.now(UTC)
    return chat.ports.BroadcastFacts(
        broadcast=msgspec.to_builtins(view(broadcast, now=now)),
        state=str(broadcast.state),
        publisher=publisher,
        stream_time_ms=stream_time_ms(broadcast.clock_started_at, now),
        card=card,
        tips_enabled=card is None and broadcast.state in ON_AIR,
        hidden_from=hidden_from(broadcast.state, announced=broadcast.announced),
        sale_stopped=sale_stopped,
    )


async def publisher_status(directory: PublisherDirectory, broadcast_id: str) -> PublisherStatus:
    """Read the status; while Redis is away nobody knows, and `none` makes a page wait and ask again."""
    try:
        async with asyncio.timeout(_REDIS_TIMEOUT_S):
            return await directory.status(broadcast_id)
    except (redis.exceptions.RedisError, OSError, TimeoutError):
        return "none"


class SaleReader:
    """Implements `commerce.ports.BroadcastReader`: what the sale must know before it takes an order."""

    def __init__(
        self,
        store: BroadcastStore,
        presence: MonitorPresence,
        recorders: RecorderDirectory,
        monitor_absent_after_s: int,
        *,
        recorded: bool,
        failing_here: Callable[[], Collection[str]] = frozenset,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`failing_here`: the broadcasts that this very process should record and cannot."""
        self._store = store
        self._presence = presence
        self._recorders = recorders
        self._recorded = recorded
        self._absent_after = timedelta(seconds=monitor_absent_after_s)
        self._failing_here = failing_here
        self._now = now
        self._unseen_since: dict[str, datetime] = {}
        self._recorders_unheard_at = datetime.min.replace(tzinfo=UTC)

    async def read(self, broadcast_id: str) -> commerce.ports.BroadcastFacts:
        """Read the broadcast, whether its monitor has been gone for too long, and whether its recorder stopped."""
        try:
            broadcast = await self._store.get(broadcast_id)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise TimeoutError("the broadcast cannot be read now") from error
        if broadcast is None:
            return commerce.ports.BroadcastFacts(False, "", "", "", "", "", None, False, False)
        absent, unrecorded = await asyncio.gather(self._monitor_absent(broadcast), self._unrecorded(broadcast_id))
        return commerce.ports.BroadcastFacts(
            exists=True,
            state=str(broadcast.state),
            title=broadcast.title,
            host_id=broadcast.host.account_id,
            host_name=broadcast.host.display_name,
            licence_no=broadcast.host.licence_no or "",
            stream_time_ms=stream_time_ms(broadcast.clock_started_at, self._now()),
            monitor_absent=absent,
            recording_unavailable=unrecorded,
            recording_id=broadcast_id if self._recorded else None,
            shelf=frozenset(broadcast.product_ids),
        )

    async def _monitor_absent(self, broadcast: Broadcast) -> bool:
        """Say whether the monitor is known to be gone.

        While Redis is away gateways say in Postgres whom they hold, from their next report on; and one that lost its
        memory knows of nobody until they report again. So who was never seen counts as gone from when they were first
        missed, and nobody does while nobody can be asked.
        """
        if broadcast.monitor is None:
            return True
        try:
            async with asyncio.timeout(_PRESENCE_TIMEOUT_S):
                seen = await self._presence.monitor_last_seen(broadcast.broadcast_id, broadcast.monitor.account_id)
        except (Unavailable, TimeoutError):
            return False
        if seen is None:
            if len(self._unseen_since) >= _CLOCKS_KEPT:
                self._unseen_since.clear()
            seen = self._unseen_since.setdefault(broadcast.broadcast_id, self._now())
        else:
            self._unseen_since.pop(broadcast.broadcast_id, None)
        return self._now() - seen > self._absent_after

    async def _unrecorded(self, broadcast_id: str) -> bool:
        """Say whether the recorder is known to have stopped; while Redis is away this process knows of its own.

        What Redis says at first when it is back is as old as its absence: recorders have had no time to beat again.
        """
        if broadcast_id in self._failing_here():
            return True
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                stopped = await self._recorders.unavailable(broadcast_id)
        except (redis.exceptions.RedisError, OSError, TimeoutError):
            self._recorders_unheard_at = self._now()
            return False
        return stopped and self._now() - self._recorders_unheard_at > _BEATS_AGAIN_WITHIN
