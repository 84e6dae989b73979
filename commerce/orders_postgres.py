"""Orders and their history in Postgres. Does I/O inside the caller's transaction."""

from datetime import datetime
from typing import Any

from asyncpg.pool import PoolConnectionProxy

from commerce.money import Money
from commerce.order import Decision, Order, State
from commerce.receipt import OrderView, Receipt, order_view
from commerce.rows import from_json, to_json

_VIEW = (
    "SELECT o.*, o.receipt::text AS receipt_json, c.name AS product_name FROM orders o"
    " JOIN card_versions c USING (product_id, card_version)"
)


class Orders:
    """An order's row always equals the last row of its history; `save` writes both, `groups_postgres` the first."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def save(self, decision: Decision, stream_time_ms: int | None, receipt: Receipt | None = None) -> None:
        """Write an order's next state and the move that led there."""
        await self._connection.execute(
            "UPDATE orders SET state = $2, updated_at = $3, receipt = coalesce($4::text::jsonb, receipt)"
            " WHERE order_id = $1",
            decision.order.order_id, decision.order.state.value, decision.moved.at,
            None if receipt is None else to_json(receipt),
        )  # fmt: skip
        await self._record(decision, stream_time_ms)

    async def _record(self, decision: Decision, stream_time_ms: int | None) -> None:
        moved = decision.moved
        await self._connection.execute(
            "INSERT INTO order_history (order_id, step, from_state, to_state, actor_id, reason, stream_time_ms, at)"
            " SELECT $1, coalesce(max(step), 0) + 1, $2, $3, $4, $5, $6, $7 FROM order_history WHERE order_id = $1",
            moved.order_id, moved.from_state.value, moved.to_state.value, moved.actor_id, moved.reason,
            stream_time_ms, moved.at,
        )  # fmt: skip

    async def lock(self, order_id: str, customer_id: str | None = None) -> Order | None:
        """Read an order for a change; with `customer_id`, only if it is that customer's."""
        row = await self._connection.fetchrow(
            "SELECT * FROM orders WHERE order_id = $1 AND ($2::text IS NULL OR customer_id = $2) FOR UPDATE",
            order_id, customer_id,
        )  # fmt: skip
        return None if row is None else _order(row)

    async def lock_due(self, now: datetime) -> Order | None:
        """Read one reservation whose time is over, for a change; those that others work on are skipped."""
        row = await self._connection.fetchrow(
            "SELECT * FROM orders WHERE state = 'reserved' AND reserved_until <= $1"
            " ORDER BY reserved_until LIMIT 1 FOR UPDATE SKIP LOCKED",
            now,
        )
        return None if row is None else _order(row)

    async def view(self, order_id: str, customer_id: str) -> OrderView | None:
        """One order as its owner reads it; another's is None."""
        row = await self._connection.fetchrow(
            f"{_VIEW} WHERE o.order_id = $1 AND o.customer_id = $2", order_id, customer_id
        )
        return None if row is None else _view(row)

    async def views(self, customer_id: str, before: str | None, limit: int) -> list[OrderView]:
        """A customer's orders, newest first, from before the given id."""
        rows = await self._connection.fetch(
            f"{_VIEW} WHERE o.customer_id = $1 AND ($2::text IS NULL OR o.order_id < $2)"
            " ORDER BY o.order_id DESC LIMIT $3",
            customer_id, before, limit,
        )  # fmt: skip
        return [_view(row) for row in rows]


def _order(row: Any) -> Order:
    return Order(
        order_id=row["order_id"],
        customer_id=row["customer_id"],
        product_id=row["product_id"],
        card_version=row["card_version"],
        broadcast_id=row["broadcast_id"],
        showing_id=row["showing_id"],
        acknowledgement_id=row["acknowledgement_id"],
        amount=Money(row["amount_minor"], row["currency"]),
        fee_minor=row["fee_minor"],
        state=State(row["state"]),
        reserved_until=row["reserved_until"],
        risk_rating=row["risk_rating"],
        risk_tolerance=row["risk_tolerance"],
        stream_time_ms=row["stream_time_ms"],
        created_at=row["created_at"],
    )


def _view(row: Any) -> OrderView:
    return order_view(_order(row), row["product_name"], from_json(row["receipt_json"], Receipt))
