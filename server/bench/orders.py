"""`./run bench orders`: how fast a hot product's orders are taken, and whether each was taken exactly. Does I/O.

Both arms decide by the same rules and write the same rows. The grouped one is the service as it is deployed, in several
processes; the single one (`one_by_one`) a transaction an order in as few round trips as may be, in one process and in
several, and its best counts. Every arm has a product, a stage and acknowledgements of its own.
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
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from commerce.audit_postgres import audit
from commerce.errors import CommerceError
from server.bench.arm_processes import Arm, run_in_processes
from server.bench.arms import Told, order, wishes
from server.bench.bank import bench_service, open_arm, seed_customers
from server.bench.http_arm import Stores, measure_http
from server.embedded.postgres import start_postgres
from server.embedded.valkey import start_valkey
from server.garbage import calm_collector
from server.migrate import migrate

_SINGLE_CLIENTS = (1, 2, 4, 8, 16, 32, 64)
_GROUPED_CLIENTS = 2_048
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


class Bench:
    """The arms, one after another, on one fresh database."""

    def __init__(self, pool: asyncpg.Pool, database_url: str, given: argparse.Namespace) -> None:
        self._pool = pool
        self._database_url = database_url
        self._buyers: int = given.buyers
        self._quota_minor: int = given.quota
        self._seconds: float = given.seconds
        self._processes: int = given.processes
        self._arms = 0
        self.books = Books()

    async def ratio(self) -> dict[str, float]:
        """Measure both arms in turn; the median of the grouped ones stands against the best single one of all."""
        ways = [(clients, of) for of in sorted({1, self._processes}) for clients in _SINGLE_CLIENTS if clients >= of]
        singles = {way: await self._single(*way) for way in ways}
        # A noisy moment must not flatter the ratio: the two best are measured again in each round, and the best counts.
        likely = sorted(ways, key=lambda way: singles[way])[-2:]
        groups: list[Told] = []
        for _ in range(_ROUNDS):
            groups.append(await self._grouped())
            for way in likely:
                singles[way] = max(singles[way], await self._single(*way))
        best, median = max(singles.values()), sorted(groups, key=lambda told: told.per_s)[_ROUNDS // 2]
        return {
            "orders_per_s": round(median.per_s, 1),
            "reserved_per_s": round(median.reserved_per_s, 1),
            "single_per_s": round(best, 1),
            "ratio": round(median.per_s / best, 2),
            "p50_ms": round(median.percentile_ms(0.5), 2),
            "p99_ms": round(median.percentile_ms(0.99), 2),
        }

    async def _single(self, clients: int, processes: int) -> float:
        """One order a transaction, as many clients as given, each with a connection of its own at work."""
        told = await self._arm(False, clients, processes, self._seconds / 2)
        _say(f"one a transaction, {clients:2d} clients in {processes}", told)
        return told.per_s

    async def _grouped(self) -> Told:
        """What has come meanwhile goes together, in each process."""
        told = await self._arm(True, _GROUPED_CLIENTS, self._processes, self._seconds)
        _say(f"grouped, {_GROUPED_CLIENTS} buyers at once in {self._processes}", told)
        return told

    async def _arm(self, grouped: bool, clients: int, processes: int, seconds: float) -> Told:
        self._arms += 1
        arm = Arm(f"arm{self._arms}", grouped, clients, processes, self._buyers, seconds)
        await open_arm(self._pool, bench_service(self._pool), arm.name, self._buyers, self._quota_minor)
        told = await run_in_processes(self._database_url, arm)
        ids = [*told.warmed_up_with, *told.reserved.values()]
        await self.books.check(self._pool, arm.name, ids, told.contradictions)
        return told

    async def rush(self) -> None:
        """Everybody at once for a quota that a fifth can fill."""
        asked = [wish for wish, _ in zip(wishes(), range(_RUSH_BUYERS), strict=False)]
        mean_minor = statistics.mean(wish.amount_minor for wish in asked if wish.number % 50 == 1)
        service = bench_service(self._pool)
        calm_collector()
        await open_arm(self._pool, service, "rush", max(self._buyers, _RUSH_BUYERS), int(mean_minor * _RUSH_FILLED_BY))
        told, began = Told(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for wish in asked:
                group.create_task(order(service.sale.reserve, "rush", wish, _RUSH_BUYERS, told))
        told.elapsed_s = time.monotonic() - began
        await self.books.check(self._pool, "rush", list(told.reserved.values()), told.contradictions)
        quota = await self._pool.fetchrow("SELECT total_minor, taken_minor FROM quotas WHERE product_id = 'pr_rush'")
        _say(f"rush of {_RUSH_BUYERS} in {told.elapsed_s:.2f} s", told)
        print(f"  rush: {len(told.reserved)} reserved, quota filled {quota['taken_minor'] / quota['total_minor']:.4%}")

    async def http(self, stores: Stores, folder: Path) -> dict[str, Any]:
        """The production command over loopback HTTP, the buyers in a process of their own."""
        buyers = min(self._buyers, _HTTP_BUYERS)
        await open_arm(self._pool, bench_service(self._pool), "http", buyers, self._quota_minor)
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
        f"  {what}: {told.per_s:.0f}/s ({told.reserved_per_s:.0f} of them reserved),"
        f" p50 {told.percentile_ms(0.5):.1f} ms, p99 {told.percentile_ms(0.99):.1f} ms,"
        f" {share:.0%} refused {dict(told.refused)}",
        flush=True,
    )


async def _run(stores: Stores, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    pool = await asyncpg.create_pool(stores.database_url, min_size=2, max_size=8)
    try:
        durability = {
            name: await pool.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")
        }
        print(f"durability: {durability}", flush=True)
        await seed_customers(pool, max(given.buyers, _RUSH_BUYERS))
        bench = Bench(pool, stores.database_url, given)
        measured = await bench.ratio()
        await bench.rush()
        http = await bench.http(stores, folder)
        findings = await audit(pool)
        print(f"audit: {len(findings)} findings")
        for finding in findings[:10]:
            print(f"  {finding}")
        return {
            **measured,
            "http_orders_per_s": round(http["orders_per_s"], 1),
            "oversold": bench.books.oversold,
            "lost": bench.books.lost,
            "doubled": bench.books.doubled,
            "findings": len(findings),
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
    parser.add_argument("--processes", type=int, default=2, help="server processes of an arm")
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
    wrong = result["oversold"] or result["lost"] or result["doubled"] or result["findings"]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
