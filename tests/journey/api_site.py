"""A server on the air with the demo's bank, whose API a tour has been through. Does I/O: starts `serve`."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from server.auth.tokens import Tokens
from server.demo.bank import CUSTOMERS, STAFF
from server.demo.seed import seed
from tests.commerce.bank import DATA_KEYS
from tests.journey.api_tour import Crawl, tour
from tests.journey.serving import SECRET, in_the_room, serving
from tests.journey.test_survival import on_air

_SESSION_S = 86_400  # a long run of fuzzing


@asynccontextmanager
async def toured(database_url: str, redis_url: str) -> AsyncIterator[Crawl]:
    """Seed a migrated database, serve it, go live, tip, and make the tour; every operation has answered 2xx then."""
    await asyncio.to_thread(seed, database_url, DATA_KEYS)
    async with (
        serving(database_url, redis_url) as server,
        on_air(server),
        in_the_room(server, "mei") as (mei,),
    ):
        await mei.room.request({"type": "tip", "points": 20})
        crawl = Crawl(server.base, tokens(int(time.time())))
        await asyncio.to_thread(tour, crawl, await _only_tip(database_url))
        yield crawl


def tokens(now_s: int) -> dict[str, str]:
    """A session of each role, and of two customers."""
    names = {"ac_customer01": "mei", "ac_customer03": "an"}
    found: dict[str, str] = {}
    for account in (*STAFF, *(customer.account for customer in CUSTOMERS)):
        name = names.get(account.account_id, account.role)
        token, _ = Tokens(SECRET, _SESSION_S).issue(account.account_id, account.role, account.nickname, now_s=now_s)
        found.setdefault(name, token)
    return found


async def _only_tip(database_url: str) -> str:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        return str(await connection.fetchval("SELECT tip_id FROM tips", timeout=10))
    finally:
        await connection.close(timeout=10)
