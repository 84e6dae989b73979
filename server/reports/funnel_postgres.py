"""A show's report, read from rooms, showings, acknowledgements and orders. Talks to Postgres; writes nothing."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg

from server.reports.funnel import FunnelCounts, ManagerLine, ProductFunnel, ShowReport

_TIMEOUT_S = 20.0
# Orders are found by those who agreed to something here: an index by broadcast would be paid by every sale.
_SOLD = """
agreed AS (SELECT DISTINCT product_id, customer_id FROM acknowledgements WHERE broadcast_id = $1),
sold AS (
    SELECT o.order_id, o.product_id, o.customer_id, o.currency, o.amount_minor,
           o.confirmed_on IS NOT NULL AND o.state <> 'confirm_failed' AS confirmed,
           coalesce(o.confirmed_amount_minor, 0) AS confirmed_minor,
           EXISTS (SELECT FROM order_history h WHERE h.order_id = o.order_id AND h.to_state = 'submitted') AS submitted
    FROM agreed a JOIN orders o USING (product_id, customer_id) WHERE o.broadcast_id = $1
)"""
_PRODUCTS = f"""
WITH {_SOLD}, reached AS (
    SELECT s.product_id, r.account_id AS customer_id, 1 AS step
    FROM room_stays r JOIN showings s USING (broadcast_id)
    LEFT JOIN room_views v USING (broadcast_id, gateway_id)
    WHERE r.broadcast_id = $1 AND r.entered_at < coalesce(s.pulled_at, 'infinity')
      AND coalesce(r.left_at, v.seen_at, r.entered_at) >= s.shown_at
    UNION ALL
    SELECT product_id, customer_id, CASE step WHEN 'detail' THEN 2 ELSE 3 END
    FROM funnel_steps WHERE broadcast_id = $1 AND step IN ('detail', 'gate')
    UNION ALL SELECT product_id, customer_id, 4 FROM agreed
    UNION ALL
    SELECT product_id, customer_id, CASE WHEN confirmed THEN 7 WHEN submitted THEN 6 ELSE 5 END FROM sold
), furthest AS (SELECT product_id, customer_id, max(step) AS step FROM reached GROUP BY 1, 2),
counted AS (
    SELECT product_id, count(*) FILTER (WHERE step >= 1) AS card, count(*) FILTER (WHERE step >= 2) AS detail,
           count(*) FILTER (WHERE step >= 3) AS gate, count(*) FILTER (WHERE step >= 4) AS acknowledge,
           count(*) FILTER (WHERE step >= 5) AS reserve, count(*) FILTER (WHERE step >= 6) AS submit,
           count(*) FILTER (WHERE step >= 7) AS confirm
    FROM furthest GROUP BY 1
), amounts AS (
    SELECT product_id, coalesce(sum(amount_minor) FILTER (WHERE submitted), 0)::bigint AS submitted_minor,
           coalesce(sum(confirmed_minor) FILTER (WHERE confirmed), 0)::bigint AS confirmed_minor
    FROM sold GROUP BY 1
), shown AS (
    SELECT product_id FROM showings WHERE broadcast_id = $1 UNION SELECT product_id FROM counted
)
SELECT p.product_id, c.name AS product_name, c.currency, coalesce(n.card, 0) AS card, coalesce(n.detail, 0) AS detail,
       coalesce(n.gate, 0) AS gate, coalesce(n.acknowledge, 0) AS acknowledge, coalesce(n.reserve, 0) AS reserve,
       coalesce(n.submit, 0) AS submit, coalesce(n.confirm, 0) AS confirm,
       coalesce(a.submitted_minor, 0) AS submitted_minor, coalesce(a.confirmed_minor, 0) AS confirmed_minor,
       (SELECT count(*) FROM funnel_steps f
        WHERE f.broadcast_id = $1 AND f.product_id = p.product_id AND f.step = 'mismatch') AS mismatches_blocked
FROM shown JOIN products p USING (product_id)
JOIN card_versions c ON c.product_id = p.product_id AND c.card_version = coalesce(p.approved_version, p.latest_version)
LEFT JOIN counted n ON n.product_id = p.product_id LEFT JOIN amounts a ON a.product_id = p.product_id
ORDER BY p.product_id"""
_VIEWERS = """
SELECT count(*) FROM (
    SELECT account_id FROM room_visitors WHERE broadcast_id = $1
    UNION SELECT customer_id FROM funnel_steps WHERE broadcast_id = $1
    UNION SELECT customer_id FROM acknowledgements WHERE broadcast_id = $1
) AS everybody"""
# Who looked after the customer when they bought stands in the evidence; before there is any, their record says it.
_MANAGERS = f"""
WITH {_SOLD}, looked_after AS (
    SELECT s.*, coalesce(e.record ->> 'relationship_manager_id', u.relationship_manager_id) AS relationship_manager_id,
           coalesce(e.record ->> 'branch', u.branch) AS branch
    FROM sold s JOIN customers u USING (customer_id)
    LEFT JOIN LATERAL (
        SELECT convert_from(record, 'UTF8')::jsonb AS record FROM sale_evidence e
        WHERE e.order_id = s.order_id ORDER BY e.step LIMIT 1
    ) e ON true
    WHERE s.submitted
), summed AS (
    SELECT relationship_manager_id, branch, product_id, currency, count(DISTINCT customer_id) AS customers,
           count(*) AS orders, sum(amount_minor)::bigint AS submitted_minor,
           coalesce(sum(confirmed_minor) FILTER (WHERE confirmed), 0)::bigint AS confirmed_minor
    FROM looked_after GROUP BY 1, 2, 3, 4
)
SELECT s.*, (
    SELECT display_name FROM accounts a
    WHERE a.role <> 'viewer' AND s.relationship_manager_id IN (a.account_id, a.employee_no)
    ORDER BY a.account_id <> s.relationship_manager_id, a.account_id LIMIT 1
) AS relationship_manager_name
FROM summed s ORDER BY submitted_minor DESC, relationship_manager_id NULLS LAST, branch NULLS LAST, product_id"""


class ShowReports:
    """Reads as of one moment, in one read-only transaction of at most twenty seconds."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self, broadcast_id: str, title: str) -> ShowReport:
        """Read a show's report; raises what asyncpg raises, TimeoutError."""
        async with (
            asyncio.timeout(_TIMEOUT_S),
            self._pool.acquire(timeout=_TIMEOUT_S) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            viewers = await connection.fetchval(_VIEWERS, broadcast_id)
            products = await connection.fetch(_PRODUCTS, broadcast_id)
            managers = await connection.fetch(_MANAGERS, broadcast_id)
        names = {row["product_id"]: row["product_name"] for row in products}
        return ShowReport(
            broadcast_id=broadcast_id,
            title=title,
            read_at=datetime.now(UTC),
            products=[_product(row, viewers) for row in products],
            relationship_managers=[ManagerLine(**dict(row), product_name=names[row["product_id"]]) for row in managers],
        )


def _product(row: Any, viewers: int) -> ProductFunnel:
    steps = FunnelCounts(
        view=max(viewers, row["card"]),
        **{step: row[step] for step in ("card", "detail", "gate", "acknowledge", "reserve", "submit", "confirm")},
    )
    kept = ("product_id", "product_name", "currency", "mismatches_blocked", "submitted_minor", "confirmed_minor")
    return ProductFunnel(customers=steps, **{name: row[name] for name in kept})
