"""One piece of work on a connection of the pool, bounded in time as a whole. Talks to Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from chat.errors import Unavailable


@asynccontextmanager
async def connection(pool: asyncpg.Pool, timeout_s: float, what: str) -> AsyncIterator[Any]:
    """Lend a connection; raises Unavailable when Postgres does not do the work in time."""
    try:
        async with asyncio.timeout(timeout_s), pool.acquire() as lent:
            yield lent
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
        TimeoutError,
    ) as error:
        raise Unavailable(f"{what} cannot be reached now") from error
    except asyncpg.PostgresError as error:
        raise Unavailable(f"{what} cannot be kept now") from error


@asynccontextmanager
async def transaction(pool: asyncpg.Pool, timeout_s: float, what: str) -> AsyncIterator[Any]:
    """Lend a connection in a transaction; raises Unavailable when Postgres does not do it in time."""
    async with connection(pool, timeout_s, what) as lent, lent.transaction():
        yield lent
