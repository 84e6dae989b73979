"""Use-cases of a broadcast's life: who may read, write and move it, and what follows from a move."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from server.auth.principal import Principal
from streaming.broadcast import Broadcast, BroadcastStore, Draft, Transition, VersionStale
from streaming.lifecycle import (
    EDITABLE,
    IllegalMove,
    Missing,
    NotYours,
    State,
    allowed_moves,
    decide,
    hidden_from,
    readiness,
)
from streaming.stream_clock import stream_time_ms

_CUT_TRIES = 10
_MONITOR_PRESENT_WITHIN = timedelta(seconds=15)


class MonitorPresence(Protocol):
    """Knows when the assigned monitor's page was last connected; may raise when Redis is away."""

    async def monitor_last_seen(self, broadcast_id: str, account_id: str) -> datetime | None:
        """Return the moment, or None when there was none lately."""


@dataclass(frozen=True)
class Broadcasting:
    """The service; `moved` is awaited after each committed move with the broadcast as it now stands."""

    store: BroadcastStore
    presence: MonitorPresence
    new_id: Callable[[str], str]
    moved: Callable[[Broadcast, Transition], Awaitable[None]]
    business_zone: ZoneInfo
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def create(self, who: Principal, draft: Draft) -> Broadcast:
        """Make a draft; its maker is who asks."""
        broadcast_id = self.new_id("bc")
        await self.store.create(broadcast_id, who.account_id, draft, self.now())
        return await self._known(broadcast_id)

    async def read(self, who: Principal, broadcast_id: str) -> Broadcast:
        """Return it, if this person may know that it exists; raises LookupError otherwise."""
        broadcast = await self._known(broadcast_id)
        if who.role in hidden_from(broadcast.state, announced=broadcast.announced):
            raise LookupError(broadcast_id)
        return broadcast

    async def listed(
        self, who: Principal, *, states: frozenset[State] | None, mine: bool, after: str | None, limit: int
    ) -> list[Broadcast]:
        """List what this person may see, newest first; one whose token is for one broadcast sees that one."""
        return await self.store.list(
            shown_to=who.role,
            states=states,
            staff_id=who.account_id if mine and who.is_staff else None,
            only_id=who.broadcast_id,
            after=after,
            limit=limit,
        )

    async def edit(self, who: Principal, broadcast: Broadcast, draft: Draft) -> Broadcast:
        """Replace what was written; an edit voids an approval."""
        if who.account_id != broadcast.maker_id:
            raise NotYours("only who made this broadcast may edit it")
        if broadcast.state not in EDITABLE:
            raise IllegalMove(broadcast.state, "edit", allowed_moves(broadcast.state, who.role))
        await self.store.edit(broadcast, draft, self.now())
        return await self._known(broadcast.broadcast_id)

    async def missing(self, broadcast: Broadcast) -> list[Missing]:
        """List what going live still lacks."""
        present = await self._monitor_present(broadcast)
        today = self.now().astimezone(self.business_zone).date()
        return readiness(broadcast.host, broadcast.monitor, monitor_present=present, today=today)

    async def move(self, who: Principal, broadcast_id: str, name: str, reason: str | None) -> Broadcast:
        """Make a move and let its consequences follow before returning; a cut is not outrun by other moves."""
        for _ in range(_CUT_TRIES if name == "terminate" else 0):
            try:
                return await self._move(who, broadcast_id, name, reason)
            except VersionStale:
                continue  # the host moved it meanwhile: read it again and cut what it is now
        return await self._move(who, broadcast_id, name, reason)

    async def _move(self, who: Principal, broadcast_id: str, name: str, reason: str | None) -> Broadcast:
        broadcast = await self.read(who, broadcast_id)
        missing = await self.missing(broadcast) if name == "go_live" else []
        target = decide(
            broadcast.state,
            name,
            actor_id=who.account_id,
            role=who.role,
            maker_id=broadcast.maker_id,
            host_id=broadcast.host.account_id,
            monitor_id=broadcast.monitor.account_id if broadcast.monitor else None,
            missing=missing,
        )
        now = self.now()
        stream_ms = stream_time_ms(broadcast.clock_started_at, now)
        made = Transition(name, broadcast.state, target, who.account_id, reason, now, stream_ms)
        await self.store.move(broadcast, made)
        after = await self._known(broadcast_id)
        await self.moved(after, made)
        return after

    async def _monitor_present(self, broadcast: Broadcast) -> bool:
        if broadcast.monitor is None:
            return False
        seen = await self.presence.monitor_last_seen(broadcast.broadcast_id, broadcast.monitor.account_id)
        return seen is not None and self.now() - seen < _MONITOR_PRESENT_WITHIN

    async def _known(self, broadcast_id: str) -> Broadcast:
        broadcast = await self.store.get(broadcast_id)
        if broadcast is None:
            raise LookupError(broadcast_id)
        return broadcast
