"""What `/readyz` asks: Redis, Postgres, migrations."""

import asyncpg
import redis.asyncio

from server.http.health import Probe
from server.migrate import expected_versions


class MigrationsPending(Exception):
    """The database is older than this program."""


def probes(pool: asyncpg.Pool, client: redis.asyncio.Redis) -> dict[str, Probe]:
    """Each raises when its part is not there."""
    expected = set(expected_versions())

    async def postgres() -> None:
        await pool.fetchval("SELECT 1")

    async def migrations() -> None:
        rows = await pool.fetch("SELECT version FROM schema_migrations")
        if not expected <= {row["version"] for row in rows}:
            raise MigrationsPending

    async def redis_answers() -> None:
        await client.ping()

    return {"postgres": postgres, "migrations": migrations, "redis": redis_answers}
