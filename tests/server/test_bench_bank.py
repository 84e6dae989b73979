"""The bank that the benchmark of orders sells from: what it seeds passes the audit, as a deployment's rows do."""

import asyncpg

from commerce.audit_postgres import audit
from server.bench.bank import CURRENCY, MINIMUM_MINOR, bench_service, open_arm, seed_customers


async def test_what_the_benchmark_seeds_and_sells_leaves_nothing_to_find(pool: asyncpg.Pool) -> None:
    service = bench_service(pool)
    await seed_customers(pool, 5)
    await open_arm(pool, service, "arm1", 5, 10 * MINIMUM_MINOR)
    for n in range(1, 6):
        await service.sale.reserve(f"ac_bench{n}", f"ak_arm1_{n}", MINIMUM_MINOR, CURRENCY, f"k{n}")
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE assessed_at IS NOT NULL") == 5
    assert await audit(pool) == []
    await service.aclose()
