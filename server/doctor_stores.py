"""The doctor's look at Postgres and Redis: version, durability, migrations. Does I/O, writes nothing."""

import asyncio
from collections.abc import Coroutine

import asyncpg
from redis.asyncio import Redis

from server.finding import Finding
from server.migrate import expected_versions

_TIMEOUT_S = 5


def postgres(what: str, url: str) -> Finding:
    """Ask for its version, whether it keeps what it says it keeps, and which migrations are missing."""

    async def ask() -> Finding:
        connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
        try:
            # The client takes the 6 of 18.6 for a third number.
            found = f"PostgreSQL {await connection.fetchval('SHOW server_version')}"
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                if await connection.fetchval(f"SHOW {name}") != "on":
                    return Finding(what, found, f"{name} is off: what is acknowledged could be lost")
            known = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
            rows = await connection.fetch("SELECT version FROM schema_migrations") if known else []
            pending = set(expected_versions()) - {row["version"] for row in rows}
        finally:
            await connection.close(timeout=_TIMEOUT_S)
        return Finding(what, found, f"{len(pending)} migrations pending: ./run migrate" if pending else None)

    return _asked(what, ask())


def redis(what: str, url: str) -> Finding:
    """Ask for its name and version."""

    async def ask() -> Finding:
        client = Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        try:
            about = await client.info("server")
        finally:
            await client.aclose()
        name = about.get("server_name", "redis")
        return Finding(what, f"{name} {about.get(f'{name}_version') or about.get('redis_version')}")

    return _asked(what, ask())


def _asked(what: str, question: Coroutine[None, None, Finding]) -> Finding:
    async def bounded() -> Finding:
        async with asyncio.timeout(_TIMEOUT_S * 2):
            return await question

    try:
        return asyncio.run(bounded())
    except Exception as error:  # whatever a client raises means that the service cannot be used
        return Finding(
            what, f"cannot be used: {type(error).__name__}", "is it running, and are name and password right?"
        )
