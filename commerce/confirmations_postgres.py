"""Which orders are to be confirmed, and what became of them, in Postgres. Does I/O inside the caller's transaction."""

from datetime import date, datetime

import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.order import Order
from commerce.orders_postgres import order_of

# An order's row keeps the time of its last move; an accepted one has not moved since.
_DUE = "o.state = 'accepted' AND o.updated_at < $1"
_SOLD = "orders o JOIN card_versions c USING (product_id, card_version)"
_MARK = "UPDATE orders SET confirming_at = coalesce(confirming_at, $2)"
_TAKE = f"""
    {_MARK} WHERE order_id IN (
        SELECT o.order_id FROM {_SOLD}
        WHERE {_DUE} AND o.order_id > $3 AND c.nav IS NULL
          AND NOT EXISTS (SELECT FROM core_again a WHERE a.order_id = o.order_id)
        ORDER BY o.order_id LIMIT $4 FOR UPDATE OF o SKIP LOCKED
    ) RETURNING *"""
_PUT_OFF = f"""
    SELECT o.order_id FROM {_SOLD} JOIN core_again a USING (order_id)
    WHERE {_DUE} AND c.nav IS NULL ORDER BY a.again_at, o.order_id LIMIT $2"""
_TAKE_ONE = f"""
    {_MARK} WHERE order_id = (
        SELECT o.order_id FROM orders o WHERE {_DUE} AND o.order_id = $3 FOR UPDATE SKIP LOCKED
    ) RETURNING *"""
_REPORT = f"""
    SELECT o.product_id, o.broadcast_id, o.currency,
           count(*) FILTER (WHERE o.confirmed_on = $2 AND o.state <> 'confirm_failed') AS confirmed,
           coalesce(sum(o.amount_minor) FILTER (WHERE o.confirmed_on = $2 AND o.state <> 'confirm_failed'), 0)::bigint
               AS confirmed_minor,
           coalesce(sum(o.confirmed_units_minor) FILTER (WHERE o.confirmed_on = $2), 0)::bigint AS units_minor,
           count(*) FILTER (WHERE o.confirmed_on = $2 AND o.state = 'confirm_failed') AS failed,
           count(*) FILTER (WHERE {_DUE} AND c.nav IS NULL) AS unanswered,
           count(*) FILTER (WHERE {_DUE} AND c.nav IS NOT NULL) AS awaiting_nav
    FROM {_SOLD}
    WHERE o.confirmed_on = $2 OR ({_DUE})
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


class ReportLine(msgspec.Struct, frozen=True, kw_only=True):
    """One product in one show: what the run of a business date confirmed and failed, and what it left."""

    product_id: str
    broadcast_id: str
    currency: str
    confirmed: int
    confirmed_minor: int
    units_minor: int
    failed: int
    unanswered: int  # the core has not said; the next run asks again
    awaiting_nav: int  # sold at a net value that the core has yet to publish


class Confirmations:
    """Orders on their way from accepted to confirmed."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def take(self, accepted_before: datetime, now: datetime, after_id: str, limit: int) -> list[Order]:
        """Mark orders as being confirmed and return them by id; those that another run holds are skipped.

        Those that were put off (`core_again_postgres`) are left out: they come after all others.
        """
        rows = await self._connection.fetch(_TAKE, accepted_before, now, after_id, limit)
        return sorted((order_of(row) for row in rows), key=lambda order: order.order_id)

    async def put_off(self, accepted_before: datetime, limit: int) -> list[str]:
        """Name the due orders that were put off, the one that was asked about longest ago first."""
        return [row["order_id"] for row in await self._connection.fetch(_PUT_OFF, accepted_before, limit)]

    async def take_one(self, accepted_before: datetime, now: datetime, order_id: str) -> Order | None:
        """Mark one order as `take` does; None when it is not due any more, or another run holds it."""
        row = await self._connection.fetchrow(_TAKE_ONE, accepted_before, now, order_id)
        return None if row is None else order_of(row)

    async def save(self, decided: Order, on: date) -> None:
        """Write what the core decided, beside the order's state."""
        await self._connection.execute(
            "UPDATE orders SET confirmed_on = $2, confirmed_units_minor = $3, confirmed_amount_minor = $4"
            " WHERE order_id = $1",
            decided.order_id, on, decided.confirmed_units_minor,
            None if decided.confirmed_units_minor is None else decided.amount.amount_minor,
        )  # fmt: skip

    async def report(self, accepted_before: datetime, on: date) -> list[ReportLine]:
        """Sum up a business date by product and show."""
        rows = await self._connection.fetch(_REPORT, accepted_before, on)
        return [ReportLine(**dict(row)) for row in rows]
