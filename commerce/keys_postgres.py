"""Idempotency keys in Postgres. Does I/O inside the caller's transaction."""

from datetime import datetime

from asyncpg.pool import PoolConnectionProxy

from commerce.errors import Conflict, Unavailable
from commerce.idempotency import Answer, Claim
from commerce.rows import from_json, to_json


class Keys:
    """One row a key, seen by others only with its answer."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def claim(self, claim: Claim) -> Answer | None:
        """Take the key (None: do the work now) or return its stored answer.

        While another transaction holds the key this waits on the unique index; raises Unavailable `in_progress`
        after `claim.wait_s`, Conflict `idempotency_conflict` when the stored body was another.
        """
        try:
            taken = await self._connection.fetchrow(
                "INSERT INTO idempotency_keys (customer_id, operation, key, body_sha256, created_at)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING key",
                claim.customer_id, claim.operation, claim.key, claim.body_sha256, claim.at,
                timeout=claim.wait_s,
            )  # fmt: skip
        except TimeoutError:
            raise in_progress() from None
        if taken is not None:
            return None
        answer = await self.find(claim)
        if answer is None:
            raise in_progress()
        return answer

    async def find(self, claim: Claim) -> Answer | None:
        """Read a key's answer without taking the key; raises Conflict as `claim` does."""
        row = await self._connection.fetchrow(
            "SELECT body_sha256, answer::text AS answer FROM idempotency_keys"
            " WHERE customer_id = $1 AND operation = $2 AND key = $3",
            claim.customer_id, claim.operation, claim.key,
        )  # fmt: skip
        if row is None:
            return None
        if row["body_sha256"] != claim.body_sha256:
            raise Conflict("idempotency_conflict", "this key was used with another body")
        answer = from_json(row["answer"], Answer)
        assert answer is not None, "a committed key has its answer"
        return answer

    async def keep(self, claim: Claim, answer: Answer) -> None:
        """Store a key that was not taken before, with its answer; the first answer stays."""
        await self._connection.execute(
            "INSERT INTO idempotency_keys (customer_id, operation, key, body_sha256, answer, created_at)"
            " VALUES ($1, $2, $3, $4, $5::text::jsonb, $6) ON CONFLICT DO NOTHING",
            claim.customer_id, claim.operation, claim.key, claim.body_sha256, to_json(answer), claim.at,
        )  # fmt: skip

    async def answer(self, claim: Claim, answer: Answer) -> None:
        """Store the final answer of a claimed key."""
        await self._connection.execute(
            "UPDATE idempotency_keys SET answer = $4::text::jsonb"
            " WHERE customer_id = $1 AND operation = $2 AND key = $3",
            claim.customer_id, claim.operation, claim.key, to_json(answer),
        )  # fmt: skip

    async def purge(self, before: datetime, limit: int) -> int:
        """Forget up to so many keys that are older than this; those that others hold stay for another time."""
        rows = await self._connection.fetch(
            "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY("
            " SELECT ctid FROM idempotency_keys WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED"
            ")) RETURNING 1",
            before, limit,
        )  # fmt: skip
        return len(rows)


def in_progress() -> Unavailable:
    """The answer to a duplicate of what is under way for long."""
    return Unavailable("in_progress", "the first request with this key is under way", retry_after_s=1)
