"""The archive in Postgres. Talks to Postgres."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from chat import withdrawals_postgres
from chat.acts import Act
from chat.acts_postgres import record_act
from chat.archive import CommentRecord, StoredComment, Withdrawal
from chat.comment_groups import CommentGroups
from chat.errors import CommandRefused, Unavailable
from chat.events import Comment
from chat.postgres_work import connection, transaction
from chat.published_marks import PublishedMarks

COLUMNS = (
    "comment_id, broadcast_id, account_id, client_message_id, nickname, role, kind, text, verdict, "
    "reasons, audience, at, stream_time_ms"
)
# Arrays of arrays must be rectangular in Postgres, so reasons travel as one text a row, parted by a unit separator.
_REASONS = 9
_SEPARATOR = "\x1f"
_INSERT = f"""
INSERT INTO comments ({COLUMNS})
SELECT comment_id, broadcast_id, account_id, client_message_id, nickname, role, kind, text, verdict,
       string_to_array(reasons, E'\\x1f'), audience, at, stream_time_ms
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::bigint[])
     WITH ORDINALITY AS new ({COLUMNS}, place)
ORDER BY place
ON CONFLICT (account_id, broadcast_id, client_message_id) DO NOTHING
RETURNING comment_id
"""
_FIRSTS = f"""
SELECT {COLUMNS}, NOT published AND removed_at IS NULL AS due
FROM comments JOIN unnest($1::text[], $2::text[], $3::text[])
    AS asked (account_id, broadcast_id, client_message_id) USING (account_id, broadcast_id, client_message_id)
"""
_RECENT = f"""
SELECT {COLUMNS} FROM comments
WHERE broadcast_id = $1 AND verdict <> 'block' AND removed_at IS NULL AND (audience = 'all' OR $3)
ORDER BY comment_seq DESC LIMIT $2
"""
_PINNED = f"""
SELECT {COLUMNS} FROM pinned_comments JOIN comments USING (comment_id, broadcast_id) WHERE broadcast_id = $1
"""
_LOCKED = "SELECT removed_at FROM comments WHERE broadcast_id = $1 AND comment_id = $2 FOR UPDATE"
_PIN = """
INSERT INTO pinned_comments (broadcast_id, comment_id) VALUES ($1, $2)
ON CONFLICT (broadcast_id) DO UPDATE SET comment_id = excluded.comment_id
"""
_SHOWN = f"""
SELECT {COLUMNS} FROM comments
WHERE broadcast_id = $1 AND comment_id = $2 AND audience = 'all' AND removed_at IS NULL FOR SHARE
"""


class PostgresArchive:
    """Comments go in by groups; `run` must be running for `store` to return."""

    def __init__(self, pool: asyncpg.Pool, *, timeout_s: float = 5.0, gather_s: float = 0.003) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._groups = CommentGroups(self._insert, gather_s=gather_s)
        self._marks = PublishedMarks(self._mark)

    async def run(self) -> None:
        """Store and mark what comes until cancelled; to be run as one task of the owner's TaskGroup."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._groups.run())
            tasks.create_task(self._marks.run())

    async def store(self, record: CommentRecord) -> StoredComment:
        """As the port says."""
        try:
            # Its own group may wait behind one that is being inserted.
            async with asyncio.timeout(2 * self._timeout_s):
                return await self._groups.store(record)
        except TimeoutError as error:
            raise Unavailable("the archive does not answer") from error

    def note_published(self, record: CommentRecord) -> None:
        """As the port says."""
        self._marks.note(record)

    async def recent(self, broadcast_id: str, limit: int, *, staff: bool) -> list[Comment]:
        """As the port says."""
        async with connection(self._pool, self._timeout_s, "the archive") as lent:
            rows = await lent.fetch(_RECENT, broadcast_id, limit, staff)
        return [_shown(row, staff=staff) for row in reversed(rows)]

    async def pinned(self, broadcast_id: str) -> Comment | None:
        """As the port says."""
        async with connection(self._pool, self._timeout_s, "the archive") as lent:
            row = await lent.fetchrow(_PINNED, broadcast_id)
        return None if row is None else record_of(row).shown(with_verdict=False)

    async def pin(self, broadcast_id: str, comment_id: str | None, act: Act) -> Comment | None:
        """As the port says."""
        async with transaction(self._pool, self._timeout_s, "the archive") as lent:
            name = "unpin" if comment_id is None else "pin"
            if not await record_act(lent, broadcast_id, name, act, comment_id=comment_id):
                row = await lent.fetchrow(_PINNED, broadcast_id)
            elif comment_id is None:
                await lent.execute("DELETE FROM pinned_comments WHERE broadcast_id = $1", broadcast_id)
                row = None
            else:
                row = await lent.fetchrow(_SHOWN, broadcast_id, comment_id)
                if row is None:
                    raise CommandRefused("no_such_comment", "there is no such comment here")
                await lent.execute(_PIN, broadcast_id, comment_id)
        return None if row is None else record_of(row).shown(with_verdict=False)

    async def remove(self, broadcast_id: str, comment_id: str, act: Act) -> Withdrawal:
        """As the port says."""
        async with transaction(self._pool, self._timeout_s, "the archive") as lent:
            is_new = await record_act(lent, broadcast_id, "remove", act, comment_id=comment_id)
            before = await lent.fetchrow(_LOCKED, broadcast_id, comment_id)
            if before is None:
                raise CommandRefused("no_such_comment", "there is no such comment here")
            pin_told_anew = True
            if is_new and before["removed_at"] is None:
                await lent.execute("UPDATE comments SET removed_at = $2 WHERE comment_id = $1", comment_id, act.at)
                unpinned = await lent.execute(
                    "DELETE FROM pinned_comments WHERE broadcast_id = $1 AND comment_id = $2", broadcast_id, comment_id
                )
                pin_told_anew = unpinned == "DELETE 1"
            return await withdrawals_postgres.owe(lent, broadcast_id, comment_id, pin_told_anew=pin_told_anew)

    async def owed(self, limit: int) -> list[Withdrawal]:
        """As the port says."""
        async with connection(self._pool, self._timeout_s, "the archive") as lent:
            return await withdrawals_postgres.owed(lent, limit)

    async def note_told(self, told: Withdrawal) -> None:
        """As the port says."""
        async with connection(self._pool, self._timeout_s, "the archive") as lent:
            await withdrawals_postgres.note_told(lent, told)

    async def _insert(self, records: Sequence[CommentRecord]) -> list[StoredComment]:
        """Keep a group in one statement, then look up those that were there before."""
        rows = [_row(record) for record in records]
        async with connection(self._pool, self._timeout_s, "the archive") as lent:
            inserted = {row[0] for row in await lent.fetch(_INSERT, *map(list, zip(*rows, strict=True)))}
            repeats = [_key(record) for record in records if record.comment_id not in inserted]
            firsts: dict[tuple[str, str, str], StoredComment] = {}
            if repeats:
                found = await lent.fetch(_FIRSTS, *map(list, zip(*repeats, strict=True)))
                stored = [StoredComment(record_of(row), repeated=True, due=row["due"]) for row in found]
                firsts = {_key(first.record): first for first in stored}
        return [
            StoredComment(record, repeated=False, due=True) if record.comment_id in inserted else firsts[_key(record)]
            for record in records
        ]

    async def _mark(self, records: Sequence[CommentRecord]) -> None:
        comment_ids, audiences = [record.comment_id for record in records], [record.audience for record in records]
        async with connection(self._pool, self._timeout_s, "the archive") as lent:
            await lent.execute(withdrawals_postgres.MARK, comment_ids, audiences)


def _row(record: CommentRecord) -> list[object]:
    values = [getattr(record, name) for name in COLUMNS.split(", ")]
    values[_REASONS] = _SEPARATOR.join(record.reasons)
    return values


def record_of(row: asyncpg.Record) -> CommentRecord:
    """Read a row that holds COLUMNS."""
    record = CommentRecord(**{name: row[name] for name in COLUMNS.split(", ")})
    return replace(record, reasons=tuple(record.reasons))


def _key(record: CommentRecord) -> tuple[str, str, str]:
    return record.account_id, record.broadcast_id, record.client_message_id


def _shown(row: asyncpg.Record, *, staff: bool) -> Comment:
    record = record_of(row)
    return record.shown(with_verdict=staff and record.verdict == "hold")
