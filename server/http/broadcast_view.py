"""How a broadcast reads: for everyone, and with what the one who asks may do with it. Pure."""

from datetime import date, datetime

import msgspec
from msgspec import UNSET, UnsetType

from server.auth.principal import Principal
from streaming.broadcast import Broadcast
from streaming.lifecycle import Missing, State, allowed_moves
from streaming.stream_clock import stream_time_ms


class HostView(msgspec.Struct):
    """Who broadcasts, with the licence that viewers may look up."""

    account_id: str
    display_name: str
    employee_no: str | None
    licence_no: str | None
    licence_expires_on: date | None


class MonitorView(msgspec.Struct):
    """Who watches over a broadcast."""

    account_id: str
    display_name: str


class BroadcastView(msgspec.Struct, kw_only=True):
    """A broadcast as docs/protocol.md has it.

    `allowed_moves` is of the one who asks; `product_ids`, its shelf, is for staff. `stream_time_ms` moves by itself
    and is no part of `version`.
    """

    broadcast_id: str
    title: str
    summary: str
    state: State
    version: int
    scheduled_at: datetime | None
    host: HostView
    monitor: MonitorView | None
    started_at: datetime | None
    ended_at: datetime | None
    stream_time_ms: int | None
    allowed_moves: list[str] | UnsetType = UNSET
    product_ids: list[str] | UnsetType = UNSET


class BroadcastList(msgspec.Struct):
    """A page of broadcasts, newest first; `next` is the address of the page after it."""

    broadcasts: list[BroadcastView]
    next: str | None


class MissingThing(msgspec.Struct):
    """What is not in place before going live."""

    code: str
    who: str
    what_to_do: str


class Readiness(msgspec.Struct):
    """Whether a broadcast may go live now, and what it lacks."""

    ready: bool
    missing: list[MissingThing]


def view(broadcast: Broadcast, *, now: datetime) -> BroadcastView:
    """Render a broadcast for everyone."""
    host, monitor = broadcast.host, broadcast.monitor
    return BroadcastView(
        broadcast_id=broadcast.broadcast_id,
        title=broadcast.title,
        summary=broadcast.summary,
        state=broadcast.state,
        version=broadcast.version,
        scheduled_at=broadcast.scheduled_at,
        host=HostView(host.account_id, host.display_name, host.employee_no, host.licence_no, host.licence_expires_on),
        monitor=MonitorView(monitor.account_id, monitor.display_name) if monitor else None,
        started_at=broadcast.started_at,
        ended_at=broadcast.ended_at,
        stream_time_ms=stream_time_ms(broadcast.clock_started_at, now),
    )


def view_for(who: Principal, broadcast: Broadcast, *, now: datetime) -> BroadcastView:
    """Render a broadcast with the moves of the one who asks and, for staff, its shelf."""
    seen = view(broadcast, now=now)
    seen.allowed_moves = allowed_moves(broadcast.state, who.role)
    if who.is_staff:
        seen.product_ids = list(broadcast.product_ids)
    return seen


def readiness(missing: list[Missing]) -> Readiness:
    """Render what going live still lacks."""
    return Readiness(not missing, [MissingThing(one.code, one.who, one.what_to_do) for one in missing])
