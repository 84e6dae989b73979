"""The sale for an operator's command: the service that a process of the role `commerce` has, without its tasks."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import redis.asyncio

from server.app import Parts
from server.program import pool_of
from server.settings import Settings


@asynccontextmanager
async def sale_by_hand(settings: Settings) -> AsyncIterator[Parts]:
    """Compose it on a pool and a Redis client of its own, which end with the block."""
    alone = settings.model_copy(update={"roles": ("commerce",)})
    async with AsyncExitStack() as stack:
        pool = await pool_of(alone, stack)
        client = redis.asyncio.Redis.from_url(
            alone.redis_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5
        )
        stack.push_async_callback(client.aclose)
        yield Parts(alone, pool, client)
