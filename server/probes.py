"""What `/readyz` asks: Redis, Postgres, and whether the schema and this program go together."""

import asyncpg
import redis.asyncio

from server.http.health import Probe
from server.migrate import expected_versions


class MigrationsPending(Exception):
    """The database is older than this program."""


class SchemaTooNew(Exception):
    """The database has dropped or changed something that this program still uses."""


def probes(pool: asyncpg.Pool, client: redis.asyncio.Redis) -> dict[str, Probe]:
    """Each raises when its part is not there."""
    expected = set(expected_versions())

    async def postgres() -> None:
        await pool.fetchval("SELECT 1")

    async def migrations() -> str | None:
        """A database ahead by migrations that only added is served; the next version runs beside this one."""
        applied = {row["version"] for row in await pool.fetch("SELECT version FROM schema_migrations")}
        if not expected <= applied:
            raise MigrationsPending
        if await pool.fetchval("SELECT version FROM schema_floor") > max(expected):
            raise SchemaTooNew
        ahead = len(applied - expected)
        return f"ok, the database is ahead by {ahead}" if ahead else None

    async def redis_answers() -> None:
        await client.ping()

    return {"postgres": postgres, "migrations": migrations, "redis": redis_answers}
