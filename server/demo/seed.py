"""Fills an empty demo database, and makes a kept one fit to be used again. Never called outside the demo."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg

from commerce.envelopes import Envelopes
from commerce.money import Money
from commerce.ports import BroadcastFacts
from commerce.service import CommerceService
from commerce.suitability import Customer as CustomerRecord
from server.auth.accounts_postgres import AccountStore
from server.auth.passwords import Passwords
from server.demo import bank
from server.demo.product import featured_product
from server.ids import new_id
from streaming.broadcast import Draft, Transition
from streaming.broadcasts_postgres import PostgresBroadcasts
from streaming.lifecycle import OVER, State

_SHOWS = (
    (
        bank.SHOW_ID,
        bank.SHOW_HOST,
        bank.SHOW_MONITOR,
        "读懂稳健理财 · Understanding steady returns",
        "循环播放的示范直播。",
    ),
    (bank.OWN_ID, bank.HOST, bank.MONITOR, "林晓的理财小课堂", "家庭理财从哪里开始：先留备用金，再谈期限和风险。"),
)


def seed(database_url: str, data_keys: Mapping[str, str]) -> None:
    """Create what is missing; broadcasts that are over become approved and announced again."""
    asyncio.run(_seed(database_url, Envelopes.of_base64(data_keys)))


async def _seed(database_url: str, envelopes: Envelopes) -> None:
    pool = await asyncpg.create_pool(database_url, min_size=2, max_size=4, timeout=10, command_timeout=30)
    try:
        now = datetime.now(UTC)
        await _accounts(pool, envelopes)
        await _broadcasts(pool, now)
        commerce = CommerceService(
            pool, broadcasts=_NoBroadcasts(), now=lambda: datetime.now(UTC), new_id=new_id, envelopes=envelopes
        )
        await _customers(commerce, now)
        await _product(pool, commerce, now)
    finally:
        await pool.close()


async def _accounts(pool: asyncpg.Pool, envelopes: Envelopes) -> None:
    people = [*bank.STAFF, *(customer.account for customer in (*bank.CUSTOMERS, *bank.CROWD))]
    store = AccountStore(pool, envelopes)
    known = {row["account_id"] for row in await pool.fetch("SELECT account_id FROM accounts")}
    new = [account for account in people if account.account_id not in known]
    if not new:
        return
    passwords = Passwords(threads=1)
    password_hash = passwords.hash(bank.PASSWORD)  # one hash for all: the password is printed on the screen
    passwords.close()
    for account in new:
        await store.put(account, password_hash)


async def _broadcasts(pool: asyncpg.Pool, now: datetime) -> None:
    store = PostgresBroadcasts(pool)
    for broadcast_id, host, monitor, title, summary in _SHOWS:
        broadcast = await store.get(broadcast_id)
        # Viewers may open the printed address before the show is on the air, and wait there.
        announce = ("schedule", State.SCHEDULED, host)
        if broadcast is None:
            shelf = (bank.PRODUCT_ID,)
            draft = Draft(title, summary, host.account_id, monitor.account_id, None, shelf)
            await store.create(broadcast_id, host.account_id, draft, now)
            steps = [("submit", State.IN_REVIEW, host), ("approve", State.APPROVED, bank.CHECKER), announce]
        elif broadcast.state in OVER or broadcast.state in (State.DRAFT, State.REJECTED, State.IN_REVIEW):
            # Another run, another show: its clock starts anew; what was said and bought stays.
            await pool.execute(
                "UPDATE broadcasts SET clock_started_at = NULL, started_at = NULL, ended_at = NULL, "
                "product_ids = ARRAY(SELECT unnest(product_ids) UNION SELECT $2 ORDER BY 1) WHERE broadcast_id = $1",
                broadcast_id,
                bank.PRODUCT_ID,
            )
            steps = [("approve", State.APPROVED, bank.CHECKER), announce]
        else:
            steps = [announce] if broadcast.state is State.APPROVED else []
        for move, target, actor in steps:
            current = await store.get(broadcast_id)
            assert current is not None
            made = Transition(move, current.state, target, actor.account_id, "demo", now, None)
            await store.move(current, made)


async def _customers(commerce: CommerceService, now: datetime) -> None:
    for customer in (*bank.CUSTOMERS, *bank.CROWD):
        account_id = customer.account.account_id
        assessed = customer.risk_tolerance > 0
        await commerce.customers.upsert(
            CustomerRecord(
                customer_id=account_id,
                masked_name=customer.account.display_name[0] + "**",
                birth_date=customer.birth_date,
                risk_tolerance=customer.risk_tolerance if assessed else None,
                assessed_at=now - timedelta(days=30) if assessed else None,
                declared_means=Money(customer.money_minor, "CNY"),
                relationship_manager_id=bank.HOST.account_id,
                branch=bank.BRANCH,
            )
        )
        money = Money(customer.money_minor, "CNY")
        await commerce.customers.credit(account_id, money, transfer_id=f"tr_seed_{account_id}")
        await commerce.applause.grant(
            account_id,
            customer.points,
            reason="welcome",
            expires_at=now + timedelta(days=365),
            grant_id=f"gr_seed_{account_id}",
        )


async def _product(pool: asyncpg.Pool, commerce: CommerceService, now: datetime) -> None:
    if await pool.fetchval("SELECT count(*) FROM products WHERE product_id = $1", bank.PRODUCT_ID):
        return
    maker, checker = bank.HOST.account_id, bank.CHECKER.account_id
    await commerce.products.create(featured_product(now), maker, product_id=bank.PRODUCT_ID)
    await commerce.products.move(bank.PRODUCT_ID, "submit", maker)
    await commerce.products.move(bank.PRODUCT_ID, "approve", checker)


class _NoBroadcasts:
    """Seeding sells nothing, so nobody asks."""

    async def read(self, broadcast_id: str) -> BroadcastFacts:
        raise OSError(broadcast_id)
