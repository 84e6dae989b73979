"""What monitors do, in Postgres. Talks to Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from chat.acts import Act, RecordedAct
from chat.acts_postgres import record_act
from chat.archive import CommentRecord
from chat.archive_postgres import COLUMNS, record_of
from chat.errors import CommandRefused
from chat.events import Comment
from chat.moderation_store import Changes, InForce, Report
from chat.postgres_work import transaction
from chat.restrictions import EVERYWHERE, Restriction, RoomRules

# A transaction that began before a mark may commit after it; none of ours takes longer than this.
_OVERLAP = timedelta(seconds=15)
_LIFTED = datetime(1970, 1, 1, tzinfo=UTC)
_RELEASE = f"""
UPDATE comments SET verdict = 'pass', audience = 'all', published = published AND audience = 'all'
WHERE broadcast_id = $1 AND comment_id = $2 AND verdict <> 'block' AND removed_at IS NULL
RETURNING {COLUMNS}
"""
_SETTLE = """
UPDATE comment_reports SET settled_at = $3 WHERE broadcast_id = $1 AND comment_id = $2 AND settled_at IS NULL
"""
_RESTRICT = """
INSERT INTO account_restrictions (kind, broadcast_id, account_id, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, broadcast_id, account_id) DO UPDATE SET until = excluded.until, changed_at = clock_timestamp()
"""
_RULE = """
INSERT INTO room_rules (broadcast_id, muted_all, slow_s) VALUES ($1, $2, $3)
ON CONFLICT (broadcast_id) DO UPDATE
SET muted_all = excluded.muted_all, slow_s = excluded.slow_s, changed_at = clock_timestamp()
"""
_IN_FORCE = """
SELECT r.kind, r.broadcast_id, r.account_id, r.until,
       (SELECT reason FROM moderation_acts a WHERE a.broadcast_id = $4 AND a.account_id = r.account_id
        AND a.act IN (r.kind, 'un' || r.kind) ORDER BY act_id DESC LIMIT 1) AS reason
FROM account_restrictions r WHERE r.kind = $1 AND r.broadcast_id = $2 AND r.account_id = $3
"""
_RELEASED = f"""
SELECT {COLUMNS} FROM comments
WHERE broadcast_id = $1 AND comment_id = $2 AND audience = 'all' AND removed_at IS NULL
"""
_REPORTS = f"""
SELECT {", ".join(f"c.{name}" for name in COLUMNS.split(", ") if name != "at")}, c.at,
       count(*) AS people, (array_agg(r.reason ORDER BY r.report_seq DESC))[1] AS why, max(r.at) AS last_at
FROM comment_reports r LEFT JOIN comments c ON c.comment_id = r.comment_id
WHERE r.broadcast_id = $1 AND r.settled_at IS NULL AND c.removed_at IS NULL
GROUP BY c.comment_seq, r.comment_id ORDER BY people DESC, last_at DESC LIMIT $2
"""


class PostgresModeration:
    """Every act and its record in one transaction."""

    def __init__(self, pool: asyncpg.Pool, *, timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    def _work(self) -> Any:
        return transaction(self._pool, self._timeout_s, "moderation")

    async def release(self, broadcast_id: str, comment_id: str, act: Act) -> CommentRecord | None:
        """As the port says."""
        async with self._work() as connection:
            if not await record_act(connection, broadcast_id, "release", act, comment_id=comment_id):
                row = await connection.fetchrow(_RELEASED, broadcast_id, comment_id)
                return None if row is None else record_of(row)
            row = await connection.fetchrow(_RELEASE, broadcast_id, comment_id)
            if row is None:
                raise CommandRefused("no_such_comment", "there is no such comment to release")
            await connection.execute(_SETTLE, broadcast_id, comment_id, act.at)
        return record_of(row)

    async def restrict(self, restriction: Restriction, broadcast_id: str, act: Act, *, lifts: bool) -> InForce:
        """As the port says."""
        until = None if restriction.until_s is None else datetime.fromtimestamp(restriction.until_s, UTC)
        name = f"un{restriction.kind}" if lifts else restriction.kind
        detail = "without end" if until is None else f"until {until.isoformat(timespec='seconds')}"
        key = (restriction.kind, restriction.broadcast_id, restriction.account_id)
        async with self._work() as connection:
            if await record_act(
                connection,
                broadcast_id,
                name,
                act,
                account_id=restriction.account_id,
                detail=None if lifts else detail,
            ):
                await _refuse_unknown(connection, restriction.account_id)
                await connection.execute(_RESTRICT, *key, _LIFTED if lifts else until)
                return InForce(restriction, act.reason)
            row = await connection.fetchrow(_IN_FORCE, *key, broadcast_id)
        assert row is not None, "an act that was recorded left its restriction"
        return InForce(_restriction(row), row["reason"])

    async def rule(self, broadcast_id: str, rules: RoomRules, act: Act) -> RoomRules:
        """As the port says."""
        async with self._work() as connection:
            detail = f"muted_all={rules.muted_all} slow_s={rules.slow_s}"
            if await record_act(connection, broadcast_id, "rules", act, detail=detail, detail_tells=True):
                await connection.execute(_RULE, broadcast_id, rules.muted_all, rules.slow_s)
                return rules
            row = await connection.fetchrow(
                "SELECT muted_all, slow_s FROM room_rules WHERE broadcast_id = $1", broadcast_id
            )
        return RoomRules() if row is None else RoomRules(row["muted_all"], row["slow_s"])

    async def report(
        self, broadcast_id: str, comment_id: str | None, account_id: str, reason: str, at: datetime
    ) -> int:
        """As the port says."""
        async with self._work() as connection:
            if comment_id is not None and not await connection.fetchval(
                "SELECT 1 FROM comments WHERE broadcast_id = $1 AND comment_id = $2 AND audience = 'all'",
                broadcast_id,
                comment_id,
            ):
                raise CommandRefused("no_such_comment", "there is no such comment here")
            await connection.execute(
                "INSERT INTO comment_reports (broadcast_id, comment_id, account_id, reason, at) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (broadcast_id, comment_id, account_id) DO NOTHING",
                broadcast_id,
                comment_id or "",
                account_id,
                reason,
                at,
            )
            count = await connection.fetchval(
                "SELECT count(*) FROM comment_reports WHERE broadcast_id = $1 AND comment_id = $2",
                broadcast_id,
                comment_id or "",
            )
        return int(count)

    async def changes(self, since: datetime | None) -> Changes:
        """As the port says."""
        first = datetime(1970, 1, 1, tzinfo=UTC) if since is None else since - _OVERLAP
        async with self._work() as connection:
            mark = await connection.fetchval("SELECT clock_timestamp()")
            rows = await connection.fetch(
                "SELECT kind, broadcast_id, account_id, until FROM account_restrictions WHERE changed_at > $1", first
            )
            rules = await connection.fetch(
                "SELECT broadcast_id, muted_all, slow_s FROM room_rules WHERE changed_at > $1", first
            )
        return Changes(
            [_restriction(row) for row in rows],
            [(row["broadcast_id"], RoomRules(row["muted_all"], row["slow_s"])) for row in rules],
            mark,
        )

    async def held(self, broadcast_id: str, limit: int) -> list[Comment]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(
                f"SELECT {COLUMNS} FROM comments WHERE broadcast_id = $1 AND verdict = 'hold' AND removed_at IS NULL "
                "ORDER BY comment_seq LIMIT $2",
                broadcast_id,
                limit,
            )
        return [record_of(row).shown(with_verdict=True) for row in rows]

    async def reports(self, broadcast_id: str, limit: int) -> list[Report]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(_REPORTS, broadcast_id, limit)
        return [
            Report(
                None if row["comment_id"] is None else record_of(row).shown(with_verdict=True),
                row["people"],
                row["why"],
                row["last_at"],
            )
            for row in rows
        ]

    async def acts(self, broadcast_id: str, limit: int) -> list[RecordedAct]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(
                "SELECT act, comment_id, account_id, actor_id, reason, detail, at FROM moderation_acts "
                "WHERE broadcast_id = $1 ORDER BY act_id DESC LIMIT $2",
                broadcast_id,
                limit,
            )
        return [RecordedAct(**dict(row)) for row in rows]

    async def restricted(self, broadcast_id: str, now: datetime) -> list[Restriction]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(
                "SELECT kind, broadcast_id, account_id, until FROM account_restrictions "
                "WHERE broadcast_id = ANY($1::text[]) AND kind IN ('mute', 'ban') AND (until IS NULL OR until > $2) "
                "ORDER BY changed_at DESC LIMIT 500",
                [broadcast_id, EVERYWHERE],
                now,
            )
        return [_restriction(row) for row in rows]


async def _refuse_unknown(connection: Any, account_id: str) -> None:
    """Raise where nobody has this account; what the transaction has recorded is undone with it."""
    if not await connection.fetchval("SELECT true FROM accounts WHERE account_id = $1", account_id):
        raise CommandRefused("no_such_account", "there is no such account")


def _restriction(row: Any) -> Restriction:
    until_s = None if row["until"] is None else row["until"].timestamp()
    return Restriction(row["kind"], row["broadcast_id"], row["account_id"], until_s)
