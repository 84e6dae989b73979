"""Closing and reopening accounts. Talks to Postgres.

A closed account may sign in no more, and is out of every room and stream within a second: the restriction written here
is the one that bans travel by (`chat.restriction_feed`). Encoder tokens of its giving are revoked for good.
"""

from datetime import UTC, datetime

import asyncpg

_LIFTED = datetime(1970, 1, 1, tzinfo=UTC)
_RESTRICT = """
INSERT INTO account_restrictions (kind, broadcast_id, account_id, until) VALUES ('closed', '', $1, $2)
ON CONFLICT (kind, broadcast_id, account_id) DO UPDATE SET until = excluded.until, changed_at = clock_timestamp()
"""


class AccountClosing:
    """Everything of an act and its record in one transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def close(self, login: str, *, actor: str, reason: str, now: datetime) -> bool:
        """Close the account; False when there is none of that login. Repeating it changes nothing but the record."""
        return await self._set(login, "close", None, actor, reason, now)

    async def reopen(self, login: str, *, actor: str, reason: str, now: datetime) -> bool:
        """Let the account sign in again; False when there is none of that login."""
        return await self._set(login, "reopen", _LIFTED, actor, reason, now)

    async def _set(self, login: str, act: str, until: datetime | None, actor: str, reason: str, now: datetime) -> bool:
        closes = act == "close"
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            account_id = await connection.fetchval(
                "UPDATE accounts SET disabled = $2 WHERE login = $1 RETURNING account_id", login, closes, timeout=5
            )
            if account_id is None:
                return False
            await connection.execute(_RESTRICT, account_id, until, timeout=5)
            if closes:
                await connection.execute(
                    "UPDATE encoder_tokens SET revoked_at = $2 WHERE issued_by = $1 AND revoked_at IS NULL",
                    account_id, now, timeout=5,
                )  # fmt: skip
            await connection.execute(
                "INSERT INTO account_acts (account_id, act, actor, reason, at) VALUES ($1, $2, $3, $4, $5)",
                account_id, act, actor, reason, now, timeout=5,
            )  # fmt: skip
        return True
