"""A whole installation for a load run: own stores, seeded people, the supervised production command. Does I/O.

`python -m server.bench.deployment --viewers 500 --buyers 100` listens on loopback only and prints one line of JSON
when it is ready: where it is and a cast to play in it (docs/operations.md, "Load it"). It answers each line it gets:
`do: orders` compares the books with the orders that buyers were told of, `do: redis` tells how long a publication
takes to come back through Redis. It ends, and takes everything with it, when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec
import redis.asyncio
from redis.asyncio.client import PubSub

from commerce.audit_postgres import audit
from commerce.envelopes import Envelopes
from commerce.money import Money
from commerce.ports import BroadcastFacts
from commerce.service import CommerceService
from commerce.suitability import Customer
from server.auth.accounts_postgres import Account, AccountStore
from server.auth.tokens import Tokens
from server.bench.bank import DATA_KEYS
from server.bench.room_server import stores
from server.demo import bank
from server.demo.product import featured_product
from server.embedded.process import spawn, stop
from server.embedded.serving import free_ports, loopback_environment
from server.ids import new_id

_READY_S: Final = 240.0
_TOKEN_TTL_S: Final = 8 * 3600
_PRODUCT_ID: Final = "pr_load"
_MONEY_MINOR: Final = 10**11
_POINTS: Final = 10_000
_SHELVE: Final = "UPDATE broadcasts SET product_ids = $1 WHERE broadcast_id = $2"
_AT_ONCE: Final = 8
_LAG_EVERY_S: Final = 0.25
_LAG_TIMEOUT_S: Final = 2.0
_LAG_SAMPLES: Final = 20_000
_DRAIN_S: Final = 40.0
_ROOT: Final = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, required=True, help="accounts that may watch and talk")
    parser.add_argument("--buyers", type=int, required=True, help="how many of them have money and an assessment")
    parser.add_argument("--quota-minor", type=int, default=10**11, help="of the product that is shown")
    parser.add_argument("--workers", default="auto", help="as of `serve`")
    parser.add_argument("--shown-per-s", type=int, default=15, help="COMMENTS_SHOWN_PER_S; 0 shows all")
    given = parser.parse_args()
    with stores() as (redis_url, database_url):
        asyncio.run(_seed(database_url, given.viewers, given.buyers, given.quota_minor))
        secret, port, admin_port = secrets.token_hex(32), free_ports(2, 12), free_ports(1)
        environment = _environment(database_url, redis_url, secret, port, admin_port, given.shown_per_s)
        argv = [sys.executable, "-m", "server", "serve", "--workers", given.workers]
        server = spawn(argv, env=environment, cwd=_ROOT)
        try:
            asyncio.run(_until_ready(server, admin_port, given.workers))
            place = _place(secret, port, admin_port, given.viewers, given.buyers)
            asyncio.run(_answer(place, database_url, redis_url))
        finally:
            stop(server, signal.SIGTERM, timeout_s=_DRAIN_S)


class _OffAir:
    """Seeding sells nothing, so nobody asks."""

    async def read(self, broadcast_id: str) -> BroadcastFacts:
        raise OSError(broadcast_id)


async def _seed(database_url: str, viewers: int, buyers: int, quota_minor: int) -> None:
    """Create `ac_load1` … as accounts, the first of them as customers with money, and the product."""
    pool = await asyncpg.create_pool(database_url, min_size=2, max_size=_AT_ONCE, timeout=10, command_timeout=30)
    try:
        now, envelopes = datetime.now(UTC), Envelopes.of_base64(DATA_KEYS)
        accounts = AccountStore(pool, envelopes)
        commerce = CommerceService(
            pool, broadcasts=_OffAir(), now=lambda: datetime.now(UTC), new_id=new_id, envelopes=envelopes
        )
        gate = asyncio.Semaphore(_AT_ONCE)

        async def person(number: int) -> None:
            account_id, name = f"ac_load{number}", f"客户{number}"
            async with gate:
                await accounts.put(Account(account_id, f"load{number}", "viewer", name, name), "")
                if number <= buyers:
                    await _customer(commerce, account_id, now)

        async with asyncio.TaskGroup() as group:
            for number in range(1, viewers + 1):
                group.create_task(person(number))
        content = msgspec.structs.replace(featured_product(now), quota_total_minor=quota_minor)
        await commerce.products.create(content, bank.HOST.account_id, product_id=_PRODUCT_ID)
        await commerce.products.move(_PRODUCT_ID, "submit", bank.HOST.account_id)
        await commerce.products.move(_PRODUCT_ID, "approve", bank.CHECKER.account_id)
        # The seeded broadcast was approved with another shelf.
        await pool.execute(_SHELVE, [_PRODUCT_ID], bank.OWN_ID)
        await pool.execute("ANALYZE")  # plans as a bank's database has them
    finally:
        await pool.close()


async def _customer(commerce: CommerceService, account_id: str, now: datetime) -> None:
    money = Money(_MONEY_MINOR, "CNY")
    await commerce.customers.upsert(
        Customer(
            customer_id=account_id,
            masked_name="客**",
            birth_date=datetime(1988, 5, 17, tzinfo=UTC).date(),
            risk_tolerance=3,
            assessed_at=now - timedelta(days=30),
            declared_means=money,
        )
    )
    await commerce.customers.credit(account_id, money, transfer_id=f"tr_{account_id}")
    await commerce.applause.grant(
        account_id, _POINTS, reason="load", expires_at=now + timedelta(days=30), grant_id=f"gr_{account_id}"
    )


def _place(secret: str, port: int, admin_port: int, viewers: int, buyers: int) -> dict[str, Any]:
    tokens, now_s = Tokens(secret, _TOKEN_TTL_S), int(time.time())

    def token(account_id: str, role: str, name: str) -> dict[str, str]:
        return {"token": tokens.issue(account_id, role, name, now_s=now_s)[0]}

    cast = {
        "http": f"http://127.0.0.1:{port}",
        "gateway": f"ws://127.0.0.1:{port + 1}/ws",
        "broadcast_id": bank.OWN_ID,
        "product_id": _PRODUCT_ID,
        "host": token(bank.HOST.account_id, "host", bank.HOST.nickname),
        "monitor": token(bank.MONITOR.account_id, "monitor", bank.MONITOR.nickname),
        "viewers": [token(f"ac_load{n}", "viewer", f"客户{n}") for n in range(1, viewers + 1)],
        "buyers": buyers,
    }
    return {"cast": cast, "admin": f"http://127.0.0.1:{admin_port}"}


async def _answer(place: dict[str, Any], database_url: str, redis_url: str) -> None:
    """Say where it is, then answer lines until the input ends."""
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lags_ms: deque[float] = deque(maxlen=_LAG_SAMPLES)
    client = redis.asyncio.Redis.from_url(redis_url, socket_timeout=5)
    measuring = asyncio.create_task(_measure_lag(client, lags_ms))
    try:
        print(json.dumps(place), flush=True)
        while line := await reader.readline():
            order = json.loads(line)
            answer = await _books(database_url, order["told"]) if order["do"] == "orders" else _lag(lags_ms)
            print(json.dumps(answer), flush=True)
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)
        await client.aclose()


async def _measure_lag(client: redis.asyncio.Redis, lags_ms: deque[float]) -> None:
    """Publish to ourselves at a steady pace, on a channel of our own, and note how long each took to come."""
    channel = f"lag-{secrets.token_hex(4)}"
    async with client.pubsub() as feed:
        await feed.subscribe(channel)
        while True:
            await asyncio.sleep(_LAG_EVERY_S)
            began_s = time.monotonic()
            await client.publish(channel, b"")
            if await _heard(feed):
                lags_ms.append((time.monotonic() - began_s) * 1e3)


async def _heard(feed: PubSub) -> bool:
    until_s = time.monotonic() + _LAG_TIMEOUT_S
    while (left_s := until_s - time.monotonic()) > 0:
        message = await feed.get_message(timeout=left_s)
        if message is not None and message["type"] == "message":
            return True
    return False


def _lag(lags_ms: deque[float]) -> dict[str, Any]:
    ordered = sorted(lags_ms)
    lags_ms.clear()
    if not ordered:
        return {}
    return {"redis_lag_p50_ms": ordered[len(ordered) // 2], "redis_lag_p99_ms": ordered[int(len(ordered) * 0.99)]}


async def _books(database_url: str, told: list[str]) -> dict[str, Any]:
    """Compare what buyers were told with what is there; `orders_untold` may have been asked for and not heard of."""
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=1, timeout=10, command_timeout=60)
    try:
        there = {row["order_id"] for row in await pool.fetch("SELECT order_id FROM orders")}
        quota = await pool.fetchrow("SELECT total_minor, taken_minor FROM quotas WHERE product_id = $1", _PRODUCT_ID)
        findings = await audit(pool)
    finally:
        await pool.close()
    return {
        "orders_lost": len(set(told) - there),
        "orders_untold": len(there - set(told)),
        "oversold_minor": max(0, quota["taken_minor"] - quota["total_minor"]),
        "audit_findings": len(findings),
    }


def _environment(
    database_url: str, redis_url: str, secret: str, port: int, admin_port: int, shown_per_s: int
) -> dict[str, str]:
    settings = {
        "admin_port": str(admin_port),
        "session_ttl_s": str(_TOKEN_TTL_S),
        "comments_shown_per_s": str(shown_per_s),
        "log_level": "warning",
    }
    return loopback_environment(database_url, redis_url, port, secret, DATA_KEYS, **settings)


async def _until_ready(server: subprocess.Popen[bytes], admin_port: int, workers: str) -> None:
    async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
        while True:
            if server.poll() is not None:
                raise RuntimeError(f"serve --workers {workers} ended at start with status {server.returncode}")
            try:
                async with session.get(f"http://127.0.0.1:{admin_port}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
