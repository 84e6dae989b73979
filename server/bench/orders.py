"""`./run bench orders`: how fast a hot product's orders are taken, and whether each was taken exactly. Does I/O.

Both arms run the same code on the same tables; only what may go into one transaction differs: one order, or what has
come meanwhile. Every arm has a product, a stage and acknowledgements of its own.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from commerce.audit_postgres import audit
from commerce.envelopes import Envelopes
from commerce.errors import CommerceError
from commerce.service import CommerceService
from commerce.settings import CommerceSettings
from server.bench.arms import Told, order, run_arm, wishes
from server.bench.bank import DATA_KEYS, OnAir, open_arm, seed_customers
from server.bench.http_arm import Stores, measure_http
from server.embedded.postgres import start_postgres
from server.embedded.valkey import start_valkey
from server.garbage import calm_collector
from server.ids import new_id
from server.migrate import migrate

_SINGLE_CLIENTS = (1, 2, 4, 8, 16, 32, 64)
_GROUPED_CLIENTS = 1_024
_HTTP_CLIENTS = 64
_HTTP_BUYERS = 2_000  # each has a token made for it
_ROUNDS = 3
_RUSH_BUYERS = 5_000
_RUSH_FILLED_BY = 1_000


@dataclass
class Books:
    """What the database says beside what buyers were told, over all arms."""

    oversold: int = 0
    lost: int = 0
    doubled: int = 0

    async def check(self, pool: asyncpg.Pool, arm: str, told_ids: Sequence[str], contradictions: int = 0) -> None:
        """Add one arm's differences: minor units beyond the quota, orders told but not there, there but not told."""
        rows = await pool.fetch("SELECT order_id, amount_minor FROM orders WHERE product_id = $1", f"pr_{arm}")
        total_minor = await pool.fetchval("SELECT total_minor FROM quotas WHERE product_id = $1", f"pr_{arm}")
        there, told = {row["order_id"] for row in rows}, set(told_ids)
        self.oversold += max(0, sum(row["amount_minor"] for row in rows) - total_minor)
        self.lost += len(told - there)
        self.doubled += len(there - told) + contradictions


def _service(pool: asyncpg.Pool, most: int) -> CommerceService:
    settings = CommerceSettings(order_group_most=most, order_queue_wait_s=60.0)
    return CommerceService(
        pool,
        broadcasts=OnAir(),
        now=lambda: datetime.now(UTC),
        new_id=new_id,
        envelopes=Envelopes.of_base64(DATA_KEYS),
        settings=settings,
    )


class Bench:
    """The arms, one after another, on one fresh database."""

    def __init__(self, pool: asyncpg.Pool, buyers: int, quota_minor: int, seconds: float) -> None:
        self._pool = pool
        self._buyers = buyers
        self._quota_minor = quota_minor
        self._seconds = seconds
        self.books = Books()

    async def single(self, clients: int, name: str) -> float:
        """One order a transaction, as many clients as given, each with a connection of its own at work."""
        services = [_service(self._pool, 1) for _ in range(clients)]
        told = await self._arm(services, name, clients, self._seconds / 2)
        _say(f"one a transaction, {clients:3d} clients", told)
        return told.per_s

    async def grouped(self, name: str) -> Told:
        """What has come meanwhile goes together, in one process."""
        told = await self._arm([_service(self._pool, 256)], name, _GROUPED_CLIENTS, self._seconds)
        _say(f"grouped, {_GROUPED_CLIENTS} buyers at once", told)
        return told

    async def _arm(self, services: list[CommerceService], arm: str, clients: int, seconds: float) -> Told:
        await open_arm(self._pool, services[0], arm, self._buyers, self._quota_minor)
        calm_collector()
        told = await run_arm(services, arm, clients=clients, buyers=self._buyers, seconds=seconds)
        await self.books.check(self._pool, arm, list(told.reserved.values()), told.contradictions)
        return told

    async def rush(self) -> None:
        """Everybody at once for a quota that a fifth can fill."""
        asked = [wish for wish, _ in zip(wishes(), range(_RUSH_BUYERS), strict=False)]
        mean_minor = statistics.mean(wish.amount_minor for wish in asked if wish.number % 50 == 1)
        service = _service(self._pool, 256)
        await open_arm(self._pool, service, "rush", max(self._buyers, _RUSH_BUYERS), int(mean_minor * _RUSH_FILLED_BY))
        told, began = Told(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for wish in asked:
                group.create_task(order(service, "rush", wish, _RUSH_BUYERS, told))
        told.elapsed_s = time.monotonic() - began
        await self.books.check(self._pool, "rush", list(told.reserved.values()), told.contradictions)
        quota = await self._pool.fetchrow("SELECT total_minor, taken_minor FROM quotas WHERE product_id = 'pr_rush'")
        _say(f"rush of {_RUSH_BUYERS} in {told.elapsed_s:.2f} s", told)
        print(f"  rush: {len(told.reserved)} reserved, quota filled {quota['taken_minor'] / quota['total_minor']:.4%}")

    async def http(self, stores: Stores, folder: Path) -> dict[str, Any]:
        """The production command over loopback HTTP, the buyers in a process of their own."""
        buyers = min(self._buyers, _HTTP_BUYERS)
        await open_arm(self._pool, _service(self._pool, 1), "http", buyers, self._quota_minor)
        heard = await measure_http(
            self._pool, stores, folder, "http", buyers=buyers, clients=_HTTP_CLIENTS, seconds=self._seconds
        )
        await self.books.check(self._pool, "http", heard["reserved"])
        print(
            f"  over HTTP, {_HTTP_CLIENTS} connections: {heard['orders_per_s']:.0f}/s,"
            f" p50 {heard['p50_ms']:.1f} ms, p99 {heard['p99_ms']:.1f} ms, refused {heard['refused']}"
        )
        return heard


def _say(what: str, told: Told) -> None:
    share = sum(told.refused.values()) / max(1, len(told.reserved) + sum(told.refused.values()))
    print(
        f"  {what}: {told.per_s:.0f}/s, p50 {told.percentile_ms(0.5):.1f} ms, p99 {told.percentile_ms(0.99):.1f} ms,"
        f" {share:.0%} refused {dict(told.refused)}",
        flush=True,
    )


async def _run(stores: Stores, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    pool = await asyncpg.create_pool(stores.database_url, min_size=2, max_size=80)
    try:
        durability = {
            name: await pool.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")
        }
        print(f"durability: {durability}", flush=True)
        await seed_customers(pool, max(given.buyers, _RUSH_BUYERS))
        bench = Bench(pool, given.buyers, given.quota, given.seconds)
        singles = {clients: await bench.single(clients, f"single{clients}") for clients in _SINGLE_CLIENTS}
        # A noisy moment must not flatter the ratio: the two best are measured again in each round, and the best counts.
        likely = sorted(singles, key=lambda clients: singles[clients])[-2:]
        groups: list[Told] = []
        for n in range(_ROUNDS):
            groups.append(await bench.grouped(f"grouped{n}"))
            for clients in likely:
                singles[clients] = max(singles[clients], await bench.single(clients, f"again{clients}x{n}"))
        best = max(singles, key=lambda clients: singles[clients])
        await bench.rush()
        http = await bench.http(stores, folder)
        findings = await audit(pool)
        print(f"audit: {len(findings)} findings")
        for finding in findings[:10]:
            print(f"  {finding}")
        median = sorted(groups, key=lambda told: told.per_s)[_ROUNDS // 2]
        return {
            "orders_per_s": round(median.per_s, 1),
            "single_per_s": round(singles[best], 1),
            "ratio": round(median.per_s / singles[best], 2),
            "http_orders_per_s": round(http["orders_per_s"], 1),
            "p50_ms": round(median.percentile_ms(0.5), 2),
            "p99_ms": round(median.percentile_ms(0.99), 2),
            "oversold": bench.books.oversold,
            "lost": bench.books.lost,
            "doubled": bench.books.doubled,
            "fsync": durability["fsync"],
            "synchronous_commit": durability["synchronous_commit"],
        }
    except CommerceError as error:
        raise SystemExit(f"the bench could not set up its shop: {error}") from error
    finally:
        pool.terminate()


def main() -> None:
    """Start stores of its own in a temporary folder, measure, print one JSON object last, and clean up."""
    parser = argparse.ArgumentParser(prog="bench orders", description=__doc__)
    parser.add_argument("--buyers", type=int, default=20_000, help="customers, who order again and again")
    parser.add_argument("--quota", type=int, default=10**13, help="of each arm, in minor units")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each grouped arm; single ones take half")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args()
    out, sys.stdout = sys.stdout, sys.stderr if given.json else sys.stdout
    folder = Path(tempfile.mkdtemp(prefix="wc-bench-"))
    folder.chmod(0o755)
    postgres = valkey = None
    try:
        for name in ("p", "v"):
            (folder / name).mkdir(mode=0o777)
        postgres = start_postgres(folder, folder / "p")
        valkey = start_valkey(folder, folder / "v")
        migrate(postgres.url)
        result = uvloop.run(_run(Stores(postgres.url, valkey.url), folder, given))
        print(json.dumps(result), file=out)
    finally:
        for store in (postgres, valkey):
            if store is not None:
                store.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if result["oversold"] == result["lost"] == result["doubled"] == 0 else 1)


if __name__ == "__main__":
    main()
