"""Until when people are signed in, so that media can outlive the token it was opened with. Talks to Postgres."""

from collections.abc import Collection
from datetime import UTC, datetime

import asyncpg

_NOTE = """
INSERT INTO session_ends (account_id, broadcast_id, until) VALUES ($1, $2, $3)
ON CONFLICT (account_id, broadcast_id) DO UPDATE SET until = greatest(session_ends.until, excluded.until)
"""
_EVERYWHERE = ""


class SessionEnds:
    """Kept for each token that is given out, asked for when a token has ended; epoch seconds."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def note(self, account_id: str, broadcast_id: str | None, until_s: int) -> None:
        """Keep that a token was given out; `broadcast_id` None is one without limit."""
        until = datetime.fromtimestamp(until_s, UTC)
        await self._pool.execute(_NOTE, account_id, broadcast_id or _EVERYWHERE, until, timeout=5)

    async def latest(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """For each (account, broadcast), return the end of the longest token that is good there; unknown is left out.

        One statement for all.
        """
        accounts = sorted({account_id for account_id, _ in pairs})
        rows = await self._pool.fetch(
            "SELECT account_id, broadcast_id, until FROM session_ends WHERE account_id = ANY($1)", accounts, timeout=5
        )
        ends = {(row["account_id"], row["broadcast_id"]): row["until"].timestamp() for row in rows}
        found = {}
        for account_id, broadcast_id in pairs:
            known = [ends[key] for key in ((account_id, _EVERYWHERE), (account_id, broadcast_id)) if key in ends]
            if known:
                found[account_id, broadcast_id] = max(known)
        return found
