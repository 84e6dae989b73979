"""The checkpoint of likes in Postgres. Talks to Postgres."""

import asyncio
from collections.abc import Mapping

import asyncpg

from chat.errors import Unavailable

# Rows go in in one order everywhere, so that two processes with the same clients cannot wait for each other.
_SAVE = """
INSERT INTO like_counts (broadcast_id, client, highest)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[]) AS new (broadcast_id, client, highest)
ORDER BY broadcast_id, client
ON CONFLICT (broadcast_id, client) DO UPDATE SET highest = excluded.highest
    WHERE like_counts.highest < excluded.highest
"""
_LOAD = "SELECT client, highest FROM like_counts WHERE broadcast_id = $1"


class PostgresLikeCheckpoint:
    """One statement a save, whatever the number of clients."""

    def __init__(self, pool: asyncpg.Pool, *, timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def save(self, counts: Mapping[tuple[str, str], int]) -> None:
        """As the port says."""
        rooms, clients = [room for room, _ in counts], [client for _, client in counts]
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._pool.execute(_SAVE, rooms, clients, list(counts.values()))
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
            TimeoutError,
        ) as error:
            raise Unavailable("likes cannot be saved now") from error

    async def load(self, broadcast_id: str) -> dict[str, int]:
        """As the port says."""
        try:
            async with asyncio.timeout(self._timeout_s):
                rows = await self._pool.fetch(_LOAD, broadcast_id)
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
            TimeoutError,
        ) as error:
            raise Unavailable("likes cannot be loaded now") from error
        return {row["client"]: row["highest"] for row in rows}
