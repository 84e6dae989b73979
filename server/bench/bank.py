"""A bank for measuring: customers and acknowledgements by sets, a product of its own for each arm. Does I/O."""

from datetime import UTC, date, datetime, timedelta

import asyncpg

from commerce.customers_postgres import seal_personal
from commerce.envelopes import Envelopes
from commerce.money import Money
from commerce.ports import Actor, BroadcastFacts
from commerce.product import Benchmark, CardContent, DocumentText, Fee
from commerce.purchase import ACKNOWLEDGEMENT_TEXT
from commerce.service import CommerceService
from commerce.settings import CommerceSettings
from server.ids import new_id

DATA_KEYS = {"bench": "Zm9yLW1lYXN1cmluZy1hbmQtbm90aGluZy1lbHNlISE="}
CURRENCY = "CNY"
MINIMUM_MINOR = 100_000
INCREMENT_MINOR = 10_000
CUSTOMER_MAXIMUM_MINOR = 1_000_000
_HOST = Actor("ac_bench_host", "host")
_MEANS = Money(10**12, CURRENCY)

_CUSTOMERS = """
    INSERT INTO customers (customer_id, personal, risk_tolerance, assessed_at, updated_at)
    SELECT customer_id, personal, 3, $3, $3 FROM unnest($1::text[], $2::bytea[]) c(customer_id, personal)"""
_ACKNOWLEDGEMENTS = """
    INSERT INTO acknowledgements (acknowledgement_id, customer_id, broadcast_id, product_id, card_version, typed_text,
        documents, disclosure_sha256, dwell_ms, stream_time_ms, acknowledged_at, expires_at)
    SELECT 'ak_' || $2 || '_' || n, 'ac_bench' || n, 'bc_' || $2, product_id, card_version, $3, documents,
           disclosure_sha256, 30000, 60000, $4::timestamptz, $4::timestamptz + interval '1 day'
    FROM generate_series(1, $1::integer) n, (
        SELECT c.*, (
            SELECT jsonb_agg(jsonb_build_object('document_id', d.document_id, 'sha256', d.sha256) ORDER BY position)
            FROM card_documents JOIN documents d USING (document_id)
            WHERE product_id = c.product_id AND card_version = c.card_version
        ) AS documents FROM card_versions c WHERE product_id = 'pr_' || $2 AND card_version = 1
    ) card"""


class OnAir:
    """The sale's port to broadcasts, for arms in this process: every broadcast is live and supervised."""

    async def read(self, broadcast_id: str) -> BroadcastFacts:
        """Answer at once: what a broadcast costs to read is not part of an order in either arm."""
        shelf = frozenset({f"pr_{broadcast_id.removeprefix('bc_')}"})
        return BroadcastFacts(
            True, "live", "早间理财", _HOST.account_id, "林晓", "L-001", 65_000, False, False, shelf=shelf
        )


def bench_service(pool: asyncpg.Pool) -> CommerceService:
    """The sale as it is deployed, but that buyers wait as long as it takes."""
    return CommerceService(
        pool,
        broadcasts=OnAir(),
        now=lambda: datetime.now(UTC),
        new_id=new_id,
        envelopes=Envelopes.of_base64(DATA_KEYS),
        settings=CommerceSettings(order_queue_wait_s=60.0),
    )


async def seed_customers(pool: asyncpg.Pool, buyers: int) -> None:
    """Create `ac_bench1` … with an assessment and declared means, so that every rule is checked for each."""
    envelopes = Envelopes.of_base64(DATA_KEYS)
    ids = [f"ac_bench{n}" for n in range(1, buyers + 1)]
    sealed = [seal_personal(envelopes, customer_id, "*安", date(1990, 5, 1), _MEANS) for customer_id in ids]
    await pool.execute(_CUSTOMERS, ids, sealed, datetime.now(UTC))


async def open_arm(pool: asyncpg.Pool, service: CommerceService, arm: str, buyers: int, quota_minor: int) -> None:
    """Put `pr_<arm>` on the stage of `bc_<arm>` and have every customer acknowledge it as `ak_<arm>_<n>`."""
    product_id = f"pr_{arm}"
    await service.products.create(_content(quota_minor), _HOST.account_id, product_id=product_id)
    await service.products.move(product_id, "submit", _HOST.account_id)
    await service.products.move(product_id, "approve", "ac_bench_checker")
    await service.stage.feature(f"bc_{arm}", product_id, _HOST)
    await pool.execute(_ACKNOWLEDGEMENTS, buyers, arm, ACKNOWLEDGEMENT_TEXT, datetime.now(UTC))
    # Statistics as a bank's database has them. Not of tables that are empty yet: plans would take them for small.
    await pool.execute("ANALYZE customers, acknowledgements")


def _content(quota_minor: int) -> CardContent:
    now = datetime.now(UTC)
    return CardContent(
        name="稳健180天",
        issuer="示例理财子公司",
        seller_role="agency",
        product_type="fixed_income",
        issuer_rating="R2",
        seller_rating="R1",
        publicly_offered=True,
        currency=CURRENCY,
        term_days=180,
        benchmark=Benchmark("2.10%–2.60%", "中债指数"),
        past_performance_shown=True,
        fees=(Fee("认购费", "0.5%"),),
        subscription_fee_bps=50,
        minimum_minor=MINIMUM_MINOR,
        increment_minor=INCREMENT_MINOR,
        customer_maximum_minor=CUSTOMER_MAXIMUM_MINOR,
        window_opens_at=now - timedelta(days=1),
        window_closes_at=now + timedelta(days=30),
        settlement="T+1",
        quota_total_minor=quota_minor,
        disclosure_text="本产品不保证本金和收益。",
        documents=(DocumentText("风险揭示书", "风险揭示书全文"),),
    )
