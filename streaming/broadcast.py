"""What a broadcast is, and the port that keeps it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from streaming.lifecycle import Person, State


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One live session 直播场次, with the people of it; `version` counts its changes."""

    broadcast_id: str
    title: str
    summary: str
    state: State
    version: int
    maker_id: str
    host: Person
    monitor: Person | None
    checker_id: str | None
    scheduled_at: datetime | None
    announced: bool
    clock_started_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    product_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What its maker may write; `product_ids` is the shelf, whose products are another package's business."""

    title: str
    summary: str
    host_id: str
    monitor_id: str | None
    scheduled_at: datetime | None
    product_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of history: who moved it, when, why."""

    move: str
    from_state: State
    to_state: State
    actor_id: str
    reason: str | None
    at: datetime
    stream_time_ms: int | None


class VersionStale(Exception):
    """Somebody else changed the broadcast since it was read."""


class UnknownPerson(Exception):
    """A named host or monitor does not exist or has another role."""


class BroadcastStore(Protocol):
    """Keeps broadcasts. Each call is one transaction; what has returned survives a crash."""

    async def create(self, broadcast_id: str, maker_id: str, draft: Draft, now: datetime) -> None:
        """Insert a draft. Raises UnknownPerson."""

    async def get(self, broadcast_id: str) -> Broadcast | None:
        """Read one."""

    async def states(self, broadcast_ids: tuple[str, ...]) -> dict[str, State]:
        """Read the states of these; what does not exist is left out."""

    async def list(
        self,
        *,
        shown_to: str,
        states: frozenset[State] | None,
        staff_id: str | None,
        only_id: str | None = None,
        after: str | None,
        limit: int,
    ) -> list[Broadcast]:
        """Read newest first, ids below `after`, what is not hidden from the role `shown_to`.

        `staff_id` keeps those this person makes, hosts or monitors, `only_id` keeps that one.
        """

    async def edit(self, broadcast: Broadcast, draft: Draft, now: datetime) -> None:
        """Replace what its maker wrote and go back to draft. Raises VersionStale or UnknownPerson."""

    async def move(self, broadcast: Broadcast, transition: Transition) -> None:
        """Set the state and add a row of history, together. Raises VersionStale."""

    async def start_clock(self, broadcast_id: str, at: datetime) -> datetime | None:
        """Set the clock's zero once and return the one in force; None when there is no such broadcast."""
