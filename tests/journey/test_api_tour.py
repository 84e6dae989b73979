"""Every operation of the API answers as its OpenAPI document says it does."""

import asyncio
import time

import asyncpg
import pytest

from server.auth.tokens import Tokens
from server.demo.bank import CUSTOMERS, STAFF
from server.demo.seed import seed
from tests.commerce.bank import DATA_KEYS
from tests.journey.api_tour import Crawl, tour
from tests.journey.serving import SECRET, in_the_room, serving
from tests.journey.test_survival import on_air


def tokens(now_s: int) -> dict[str, str]:
    """A session of each role, and of two customers."""
    names = {"ac_customer01": "mei", "ac_customer03": "an"}
    found: dict[str, str] = {}
    for account in (*STAFF, *(customer.account for customer in CUSTOMERS)):
        name = names.get(account.account_id, account.role)
        token, _ = Tokens(SECRET, 3_600).issue(account.account_id, account.role, account.nickname, now_s=now_s)
        found.setdefault(name, token)
    return found


@pytest.fixture
async def seeded_url(postgres_url: str) -> str:
    await asyncio.to_thread(seed, postgres_url, DATA_KEYS)
    return postgres_url


async def _only_tip(postgres_url: str) -> str:
    connection = await asyncpg.connect(postgres_url, timeout=10)
    try:
        return str(await connection.fetchval("SELECT tip_id FROM tips"))
    finally:
        await connection.close(timeout=10)


async def test_every_operation_succeeds_as_its_document_says(seeded_url: str, redis_url: str) -> None:
    async with (
        serving(seeded_url, redis_url) as server,
        on_air(server),
        in_the_room(server, "mei") as (mei,),
    ):
        await mei.room.request({"type": "tip", "points": 20})
        tip_id = await _only_tip(seeded_url)
        crawl = Crawl(server.base, tokens(int(time.time())))
        await asyncio.to_thread(tour, crawl, tip_id)
        assert crawl.unanswered() == []
