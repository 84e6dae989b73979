"""The outbox table: facts are written with the change they tell of and read after commit. Does I/O."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, get_args

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.facts import Fact, FactKind, NewFact, parts_of
from commerce.ports import FactUnreadable, Trace
from commerce.rows import from_json, to_json

_READER_LOCK = 0x5743_4F42_4F58  # one reader at a time in the whole deployment: two would mix up the order
_KINDS: frozenset[str] = frozenset(get_args(FactKind))


class OutboxDepth(msgspec.Struct, frozen=True):
    """How many facts wait to be read, the age of the oldest in seconds (0 when there is none), how many are aside."""

    waiting: int
    oldest_age_s: float
    set_aside: int


class Outbox:
    """Writes facts inside the caller's transaction.

    Facts of one stage, one quota or one order are written while its lock is held, so their ids are in commit order;
    facts of different things may commit in another order than their ids, and no reader minds.
    """

    def __init__(self, connection: PoolConnectionProxy, trace: Trace) -> None:
        self._connection = connection
        self._trace = trace
        self.written = 0

    async def add(self, fact: NewFact, at: datetime) -> None:
        await self._connection.execute(
            "INSERT INTO commerce_outbox (kind, broadcast_id, account_id, payload, at, trace)"
            " VALUES ($1, $2, $3, $4::text::jsonb, $5, $6)",
            fact.kind, fact.broadcast_id, fact.account_id, to_json(fact.payload), at, self._trace(),
        )  # fmt: skip
        self.written += 1

    async def depth(self, now: datetime) -> OutboxDepth:
        """Count the facts of all that wait to be read, and those that were set aside."""
        row = await self._connection.fetchrow(
            "SELECT coalesce(sum(facts) FILTER (WHERE set_aside_at IS NULL), 0)::bigint AS waiting,"
            " coalesce(sum(facts) FILTER (WHERE set_aside_at IS NOT NULL), 0)::bigint AS set_aside,"
            " min(at) FILTER (WHERE set_aside_at IS NULL) AS oldest"
            " FROM (SELECT at, set_aside_at, CASE jsonb_typeof(payload -> 'reserved') WHEN 'array'"
            " THEN jsonb_array_length(payload -> 'reserved') ELSE 1 END AS facts FROM commerce_outbox) o"
        )
        oldest = row["oldest"]
        age_s = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        return OutboxDepth(row["waiting"], age_s, row["set_aside"])


class OutboxReader:
    """Reads committed facts in order, one reader at a time."""

    def __init__(self, pool: asyncpg.Pool, acquire_timeout_s: float) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s

    @asynccontextmanager
    async def batch(self, limit: int) -> AsyncIterator["Batch"]:
        """Hold the next facts until the block ends; none when another process is reading.

        When the block ends without error, facts marked as taken are gone, those set aside are marked in the table with
        the reason and come no more, and all others come again. A group's facts come together, so there may be more than
        the limit; their row goes when the last of them is taken, or is set aside as a whole.
        """
        async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection, connection.transaction():
            alone = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _READER_LOCK)
            batch = await _read(connection, limit) if alone else Batch()
            yield batch
            for unread in batch.set_aside.values():
                await connection.execute(
                    "UPDATE commerce_outbox SET set_aside_at = now(), set_aside_because = $2 WHERE fact_id = $1",
                    unread.fact_id, unread.because,
                )  # fmt: skip
            if batch.done:
                await connection.execute("DELETE FROM commerce_outbox WHERE fact_id = ANY($1)", batch.done)


class UnreadFact(msgspec.Struct, frozen=True):
    """A fact that nobody can read, and why."""

    fact_id: int
    kind: str
    because: str


class Batch:
    """Facts in order, which of them their reader took, and what must be set aside."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.taken = 0
        self.done: list[int] = []
        self.set_aside: dict[int, UnreadFact] = {}

    def take(self, fact: Fact) -> None:
        """Note that this one, the next in order, was taken; its row is done with when it is the row's last."""
        self.taken += 1
        if fact.last and fact.fact_id not in self.set_aside:
            self.done.append(fact.fact_id)

    def leave(self, fact_id: int, kind: str, because: str) -> None:
        """Note that nobody can read this one: its row is set aside."""
        self.set_aside[fact_id] = UnreadFact(fact_id, kind, because)


async def _read(connection: PoolConnectionProxy, limit: int) -> Batch:
    rows = await connection.fetch(
        "SELECT fact_id, kind, broadcast_id, account_id, payload::text AS payload, at, trace FROM commerce_outbox"
        " WHERE set_aside_at IS NULL ORDER BY fact_id LIMIT $1",
        limit,
    )
    batch = Batch()
    for row in rows:
        if len(batch.facts) >= limit:
            break
        try:
            batch.facts += parts_of(_fact(row))
        except (FactUnreadable, msgspec.ValidationError) as error:
            batch.leave(row["fact_id"], row["kind"], str(error))
    return batch


def _fact(row: Any) -> Fact:
    if row["kind"] not in _KINDS:
        raise FactUnreadable("of a kind that this version does not know")
    try:
        payload = from_json(row["payload"], dict[str, Any]) or {}
    except msgspec.MsgspecError as error:
        raise FactUnreadable(f"its payload: {error}") from error
    return Fact(row["fact_id"], row["kind"], row["broadcast_id"], row["account_id"], payload, row["at"], row["trace"])
