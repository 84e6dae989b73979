"""Commerce's own fixtures."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.commerce.bank import Bank


@pytest.fixture
async def books(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A connection for audits again and again: no crash ends it, and none of their queries is planned twice."""
    generic = {"plan_cache_mode": "force_generic_plan"}
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=1, server_settings=generic) as pool:
        yield pool


@pytest.fixture
def bank(pool: asyncpg.Pool) -> Bank:
    return Bank(pool)
