"""The people of a fault run: viewers by the hundred, customers with money and points, tokens. Talks to Postgres."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from commerce.envelopes import Envelopes
from commerce.money import Money
from commerce.ports import BroadcastFacts
from commerce.service import CommerceService
from commerce.suitability import Customer
from server.auth.accounts_postgres import Account, AccountStore
from server.auth.tokens import Tokens
from server.demo import bank
from server.demo.seed import seed
from server.ids import new_id

_TOKEN_TTL_S = 24 * 3_600
_MONEY_MINOR = 10**13
_POINTS = 1_000_000


def settle(database_url: str, data_keys: dict[str, str], viewers: int, buyers: int, tippers: int) -> None:
    """Seed the demo's bank, whose product is on the show's shelf, and beside it `ac_fv…`, `ac_fb…` and `ac_ft…`."""
    seed(database_url, data_keys)
    asyncio.run(_settle(database_url, Envelopes.of_base64(data_keys), viewers, buyers, tippers))


def names(kind: str, count: int) -> list[str]:
    """The account ids of one kind."""
    return [f"ac_f{kind}{number:04d}" for number in range(count)]


def tokens(secret: str, kind: str, count: int) -> list[dict[str, str]]:
    """Account ids and session tokens of one kind."""
    issuer = Tokens(secret, _TOKEN_TTL_S)
    now_s = int(time.time())
    return [
        {"account_id": name, "token": issuer.issue(name, "viewer", name[3:], now_s=now_s)[0]}
        for name in names(kind, count)
    ]


async def _settle(url: str, envelopes: Envelopes, viewers: int, buyers: int, tippers: int) -> None:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=4, timeout=10, command_timeout=30)
    try:
        commerce = CommerceService(
            pool, broadcasts=_NoBroadcasts(), now=lambda: datetime.now(UTC), new_id=new_id, envelopes=envelopes
        )
        store = AccountStore(pool, envelopes)
        customers = names("b", buyers) + names("t", tippers)
        for name in names("v", viewers) + customers:
            await store.put(Account(name, name[3:], "viewer", name[3:], name[3:]), "no password opens this")
        for name in customers:
            await _endow(commerce, name)
    finally:
        await pool.close()


async def _endow(commerce: CommerceService, name: str) -> None:
    now, money = datetime.now(UTC), Money(_MONEY_MINOR, "CNY")
    await commerce.customers.upsert(
        Customer(
            customer_id=name,
            masked_name="客**",
            birth_date=date(1985, 3, 1),
            risk_tolerance=3,
            assessed_at=now - timedelta(days=1),
            declared_means=money,
            relationship_manager_id=bank.HOST.account_id,
            branch=bank.BRANCH,
        )
    )
    await commerce.customers.credit(name, money, transfer_id=f"tr_{name}")
    await commerce.applause.grant(
        name, _POINTS, reason="welcome", expires_at=now + timedelta(days=30), grant_id=f"gr_{name}"
    )


class _NoBroadcasts:
    """Settling sells nothing, so nobody asks."""

    async def read(self, broadcast_id: str) -> BroadcastFacts:
        raise OSError(broadcast_id)


def leave_quota(database_url: str, amount_minor: int) -> None:
    """Let just this much be sold from now on, so that a fault meets a quota that runs out."""

    async def ask() -> Any:
        connection = await asyncpg.connect(database_url, timeout=10)
        try:
            return await connection.execute(
                "UPDATE quotas SET total_minor = taken_minor + $2 WHERE product_id = $1", bank.PRODUCT_ID, amount_minor
            )
        finally:
            await connection.close(timeout=5)

    asyncio.run(ask())
