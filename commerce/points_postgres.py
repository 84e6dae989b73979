"""Grants and tips of applause points in Postgres. Does I/O inside the caller's transaction."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.customers_postgres import no_such_customer
from commerce.points import Grant


class Tip(msgspec.Struct, frozen=True):
    """A tip as stored."""

    tip_id: str
    customer_id: str
    broadcast_id: str
    points: int
    business_date: date
    stream_time_ms: int | None
    at: datetime


class PointEntry(msgspec.Struct, frozen=True):
    """One line of a customer's points account: what changed what is held."""

    kind: str
    points: int
    at: datetime


class Points:
    """Grants with what is left of them, and tips; the ledger holds the sums."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def add_grant(self, grant: Grant, customer_id: str, reason: str, granted_at: datetime) -> bool:
        """Insert a grant; False when this grant_id exists already. Raises NotFound `no_such_customer`."""
        try:
            row = await self._connection.fetchrow(
                "INSERT INTO point_grants (grant_id, customer_id, points, left_points, reason, granted_at, expires_at)"
                " VALUES ($1, $2, $3, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING grant_id",
                grant.grant_id, customer_id, grant.left_points, reason, granted_at, grant.expires_at,
            )  # fmt: skip
        except asyncpg.ForeignKeyViolationError:
            raise no_such_customer() from None
        return row is not None

    async def grants(self, customer_id: str, lock: str = "") -> list[Grant]:
        """Grants with something left, expired ones included; `FOR NO KEY UPDATE` keeps the sweeper off them."""
        rows = await self._connection.fetch(
            "SELECT grant_id, left_points, expires_at FROM point_grants"
            f" WHERE customer_id = $1 AND left_points > 0 ORDER BY expires_at, grant_id {lock}",
            customer_id,
        )
        return [Grant(*row) for row in rows]

    async def grants_of(self, customer_ids: Sequence[str]) -> dict[str, list[Grant]]:
        """Grants with something left by customer; one without any does not stand in it."""
        found: dict[str, list[Grant]] = {}
        for row in await self._connection.fetch(
            "SELECT customer_id, grant_id, left_points, expires_at FROM point_grants"
            " WHERE customer_id = ANY($1::text[]) AND left_points > 0",
            customer_ids,
        ):
            found.setdefault(row["customer_id"], []).append(Grant(*row[1:]))
        return found

    async def use(self, uses: list[tuple[str, int]]) -> None:
        """Take points from grants."""
        await self._connection.executemany(
            "UPDATE point_grants SET left_points = left_points - $2 WHERE grant_id = $1", uses
        )

    async def lock_expired(self, now: datetime, passed_over: Collection[str]) -> tuple[str, Grant] | None:
        """One grant with points that expired and its customer, for a change; these, and locked ones, are skipped."""
        row = await self._connection.fetchrow(
            "SELECT customer_id, grant_id, left_points, expires_at FROM point_grants"
            " WHERE left_points > 0 AND expires_at <= $1 AND grant_id <> ALL($2::text[])"
            " ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED",
            now, list(passed_over),
        )  # fmt: skip
        return None if row is None else (row["customer_id"], Grant(*row[1:]))

    async def add_tip(self, tip: Tip, uses: list[tuple[str, int]]) -> None:
        """Keep a tip and the grants that it used up."""
        await self._connection.execute(
            "INSERT INTO tips (tip_id, customer_id, broadcast_id, points, business_date, stream_time_ms, at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *msgspec.structs.astuple(tip),
        )
        await self._connection.executemany(
            "INSERT INTO tip_uses (tip_id, grant_id, points) VALUES ($1, $2, $3)",
            [(tip.tip_id, grant_id, points) for grant_id, points in uses],
        )

    async def tip(self, tip_id: str) -> Tip | None:
        row = await self._connection.fetchrow(
            "SELECT tip_id, customer_id, broadcast_id, points, business_date, stream_time_ms, at FROM tips"
            " WHERE tip_id = $1",
            tip_id,
        )
        return None if row is None else Tip(*row)

    async def uses(self, tip_id: str) -> list[tuple[str, int]]:
        """The grants that a tip used up, and how much of each; empty for tips older than this record."""
        rows = await self._connection.fetch("SELECT grant_id, points FROM tip_uses WHERE tip_id = $1", tip_id)
        return [tuple(row) for row in rows]

    async def add_refund(self, tip_id: str, actor_id: str, reason: str, at: datetime) -> bool:
        """Keep that a tip was refunded; False when it was before."""
        row = await self._connection.fetchrow(
            "INSERT INTO tip_refunds (tip_id, actor_id, reason, at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING RETURNING tip_id",
            tip_id, actor_id, reason, at,
        )  # fmt: skip
        return row is not None

    async def tipped_on(self, customer_id: str, day: date) -> int:
        """Points that the customer tipped on this business day and was not given back."""
        tipped: int = await self._connection.fetchval(
            "SELECT coalesce(sum(points), 0)::bigint FROM tips t WHERE customer_id = $1 AND business_date = $2"
            " AND NOT EXISTS (SELECT 1 FROM tip_refunds r WHERE r.tip_id = t.tip_id)",
            customer_id, day,
        )  # fmt: skip
        return tipped

    async def entries(self, customer_id: str, limit: int) -> list[PointEntry]:
        """The latest changes of what the customer holds, newest first."""
        rows: list[Any] = await self._connection.fetch(
            "SELECT t.kind, e.amount, t.at FROM ledger_entries e JOIN ledger_transfers t USING (transfer_id)"
            " JOIN ledger_accounts a USING (ledger_account_id)"
            " WHERE a.owner_id = $1 AND a.kind = 'points_held' ORDER BY e.entry_id DESC LIMIT $2",
            customer_id, limit,
        )  # fmt: skip
        return [PointEntry(*row) for row in rows]
