"""Nobody waits for a connection without an end, however it is asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio
from aiohttp.test_utils import TestClient, TestServer

from server import pool as pools
from server.app import Parts
from server.pool import BoundedPool, open_pool
from server.public_http import public_application
from server.settings import load_settings
from tests.commerce.bank import DATA_KEYS
from tests.server.people import TOKENS, seed_people, session

SHOW = "/api/v1/broadcasts/bc_none"


@pytest.fixture
async def exhausted(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BoundedPool]:
    """A pool whose only connection is lent for as long as the test lasts."""
    monkeypatch.setattr(pools, "_WAIT_S", 0.05)
    pool = await open_pool(postgres_url, least=1, most=1)
    await seed_people(pool)
    async with pool.acquire():
        yield pool
    pool.terminate()


@pytest.mark.parametrize("ask", ["fetch", "fetchrow", "fetchval", "execute"])
async def test_every_way_to_ask_an_exhausted_pool_ends(exhausted: BoundedPool, ask: str) -> None:
    with pytest.raises(TimeoutError):
        await getattr(exhausted, ask)("SELECT 1")


async def test_an_exhausted_pool_is_answered_503_with_retry_after_by_every_store(
    exhausted: BoundedPool, redis_client: redis.asyncio.Redis
) -> None:
    settings = load_settings(
        database_url="postgres://unused",
        redis_url="redis://unused",
        jwt_secret=TOKENS.secret,
        data_keys=DATA_KEYS,
        roles=("api",),
    )
    parts = Parts(settings, exhausted, redis_client)
    calls: tuple[tuple[str, str, str, Any], ...] = (
        ("POST", "/api/v1/sessions", "viewer", {"login": "viewer", "password": "viewer"}),
        ("GET", "/api/v1/me", "viewer", None),
        ("GET", "/api/v1/broadcasts", "viewer", None),
        ("GET", SHOW, "viewer", None),
        ("GET", f"{SHOW}/moderation", "monitor", None),
        ("GET", f"{SHOW}/card", "viewer", None),
        ("GET", "/api/v1/products", "viewer", None),
        ("GET", "/api/v1/orders", "viewer", None),
        ("GET", "/api/v1/points", "viewer", None),
    )
    async with TestClient[Any, Any](TestServer(public_application(parts))) as client:

        async def refused(method: str, path: str, who: str, body: Any) -> None:
            began = time.monotonic()
            async with client.request(method, path, json=body, headers=session(who)) as response:
                answer = await response.json(content_type=None)
                assert (response.status, answer["code"] in ("busy", "unavailable")) == (503, True), (path, answer)
                assert int(response.headers["Retry-After"]) >= 1, path
            assert time.monotonic() - began < 30, path

        await asyncio.gather(*(refused(*call) for call in calls))
    parts.passwords.close()
