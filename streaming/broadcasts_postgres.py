"""Broadcasts in Postgres; names and licences come from the accounts they belong to."""

from datetime import datetime
from typing import Any

import asyncpg

from streaming.broadcast import Broadcast, Draft, Transition, UnknownPerson, VersionStale
from streaming.lifecycle import Person, State, hidden_from

_SELECT = """
SELECT b.*, h.display_name AS host_name, h.employee_no, h.licence_no, h.licence_expires_on,
       m.display_name AS monitor_name
FROM broadcasts b JOIN accounts h ON h.account_id = b.host_id LEFT JOIN accounts m ON m.account_id = b.monitor_id
"""
_TIMEOUT_S = 5


class PostgresBroadcasts:
    """The BroadcastStore over a pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(self, broadcast_id: str, maker_id: str, draft: Draft, now: datetime) -> None:
        """Insert a draft."""
        async with self._pool.acquire(timeout=_TIMEOUT_S) as connection, connection.transaction():
            await _check_people(connection, draft)
            await connection.execute(
                "INSERT INTO broadcasts (broadcast_id, title, summary, state, maker_id, host_id, monitor_id, "
                "scheduled_at, created_at, product_ids) VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7, $8, $9)",
                broadcast_id,
                draft.title,
                draft.summary,
                maker_id,
                draft.host_id,
                draft.monitor_id,
                draft.scheduled_at,
                now,
                draft.product_ids,
                timeout=_TIMEOUT_S,
            )

    async def get(self, broadcast_id: str) -> Broadcast | None:
        """Read one."""
        row = await self._pool.fetchrow(f"{_SELECT} WHERE b.broadcast_id = $1", broadcast_id, timeout=_TIMEOUT_S)
        return _broadcast(row) if row else None

    async def states(self, broadcast_ids: tuple[str, ...]) -> dict[str, State]:
        """One statement for all."""
        sql = "SELECT broadcast_id, state FROM broadcasts WHERE broadcast_id = ANY($1)"
        rows = await self._pool.fetch(sql, list(broadcast_ids), timeout=_TIMEOUT_S)
        return {row["broadcast_id"]: State(row["state"]) for row in rows}

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
        """Read newest first."""
        shown, announced = (
            [state for state in State if shown_to not in hidden_from(state, announced=told)] for told in (False, True)
        )
        rows = await self._pool.fetch(
            f"{_SELECT} WHERE ($1::text[] IS NULL OR b.state = ANY($1)) "
            "AND ($2::text IS NULL OR $2 IN (b.maker_id, b.host_id, b.monitor_id)) "
            "AND ($3::text IS NULL OR b.broadcast_id < $3) AND ($5::text IS NULL OR b.broadcast_id = $5) "
            "AND (b.state = ANY($6) OR (b.announced_at IS NOT NULL AND b.state = ANY($7))) "
            "ORDER BY b.broadcast_id DESC LIMIT $4",
            None if states is None else sorted(states),
            staff_id,
            after,
            limit,
            only_id,
            shown,
            announced,
            timeout=_TIMEOUT_S,
        )
        return [_broadcast(row) for row in rows]

    async def edit(self, broadcast: Broadcast, draft: Draft, now: datetime) -> None:
        """Replace text, people and shelf; whatever had been approved is a draft again."""
        async with self._pool.acquire(timeout=_TIMEOUT_S) as connection, connection.transaction():
            await _check_people(connection, draft)
            done = await connection.execute(
                "UPDATE broadcasts SET title = $3, summary = $4, host_id = $5, monitor_id = $6, scheduled_at = $7, "
                "product_ids = $8, state = 'draft', checker_id = NULL, announced_at = NULL, version = version + 1 "
                "WHERE broadcast_id = $1 AND version = $2",
                broadcast.broadcast_id,
                broadcast.version,
                draft.title,
                draft.summary,
                draft.host_id,
                draft.monitor_id,
                draft.scheduled_at,
                draft.product_ids,
                timeout=_TIMEOUT_S,
            )
            if done != "UPDATE 1":
                raise VersionStale
            actor = broadcast.maker_id
            moved = Transition("edit", broadcast.state, State.DRAFT, actor, None, now, None)
            await _add_history(connection, broadcast.broadcast_id, moved)

    async def move(self, broadcast: Broadcast, transition: Transition) -> None:
        """Set the state with its times and add the row of history."""
        async with self._pool.acquire(timeout=_TIMEOUT_S) as connection, connection.transaction():
            done = await connection.execute(
                """
                UPDATE broadcasts SET state = $3, version = version + 1,
                    announced_at = CASE WHEN $4 = 'schedule' THEN $6 WHEN $4 = 'revise' THEN NULL ELSE announced_at END,
                    checker_id = CASE WHEN $4 = 'approve' THEN $5 ELSE checker_id END,
                    started_at = CASE WHEN $4 = 'go_live' THEN coalesce(started_at, $6) ELSE started_at END,
                    ended_at = CASE WHEN $4 IN ('end', 'terminate') THEN $6 ELSE ended_at END
                WHERE broadcast_id = $1 AND version = $2
                """,
                broadcast.broadcast_id,
                broadcast.version,
                transition.to_state,
                transition.move,
                transition.actor_id,
                transition.at,
                timeout=_TIMEOUT_S,
            )
            if done != "UPDATE 1":
                raise VersionStale
            await _add_history(connection, broadcast.broadcast_id, transition)

    async def start_clock(self, broadcast_id: str, at: datetime) -> datetime | None:
        """Set the zero of stream_time_ms unless it is set."""
        started: datetime | None = await self._pool.fetchval(
            "UPDATE broadcasts SET clock_started_at = coalesce(clock_started_at, $2) WHERE broadcast_id = $1 "
            "RETURNING clock_started_at",
            broadcast_id,
            at,
            timeout=_TIMEOUT_S,
        )
        return started


async def _check_people(connection: Any, draft: Draft) -> None:
    for account_id, role in ((draft.host_id, "host"), (draft.monitor_id, "monitor")):
        if account_id is None:
            continue
        found = await connection.fetchval(
            "SELECT role FROM accounts WHERE account_id = $1 AND NOT disabled", account_id, timeout=_TIMEOUT_S
        )
        if found != role:
            raise UnknownPerson(f"{account_id} is no {role}")


async def _add_history(connection: Any, broadcast_id: str, transition: Transition) -> None:
    await connection.execute(
        "INSERT INTO broadcast_history "
        "(broadcast_id, move, from_state, to_state, actor_id, reason, stream_time_ms, at, product_ids) "
        "SELECT $1, $2, $3, $4, $5, $6, $7, $8, product_ids FROM broadcasts WHERE broadcast_id = $1",
        broadcast_id,
        transition.move,
        transition.from_state,
        transition.to_state,
        transition.actor_id,
        transition.reason,
        transition.stream_time_ms,
        transition.at,
        timeout=_TIMEOUT_S,
    )


def _broadcast(row: asyncpg.Record) -> Broadcast:
    host = Person(row["host_id"], row["host_name"], row["employee_no"], row["licence_no"], row["licence_expires_on"])
    return Broadcast(
        broadcast_id=row["broadcast_id"],
        title=row["title"],
        summary=row["summary"],
        state=State(row["state"]),
        version=row["version"],
        maker_id=row["maker_id"],
        host=host,
        monitor=Person(row["monitor_id"], row["monitor_name"]) if row["monitor_id"] else None,
        checker_id=row["checker_id"],
        scheduled_at=row["scheduled_at"],
        announced=row["announced_at"] is not None,
        clock_started_at=row["clock_started_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        created_at=row["created_at"],
        product_ids=tuple(row["product_ids"]),
    )
