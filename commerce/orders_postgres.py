"""Orders and their history in Postgres. Does I/O inside the caller's transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from commerce.group import key_conflict
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

    async def save(self, decision: Decision, stream_time_ms: int | None, receipt: Receipt | None = None) -> int:
        """Write an order's next state and the move that led there; returns the number of that step."""
        await self._connection.execute(
            "WITH struck AS (DELETE FROM core_again WHERE order_id = $1)"
            " UPDATE orders SET state = $2, updated_at = $3, receipt = coalesce($4::text::jsonb, receipt)"
            " WHERE order_id = $1",
            decision.order.order_id, decision.order.state.value, decision.moved.at,
            None if receipt is None else to_json(receipt),
        )  # fmt: skip
        return await self._record(decision, stream_time_ms)

    async def save_submitted(
        self, decision: Decision, stream_time_ms: int | None, authenticated_at: datetime | None
    ) -> None:
        """Write down what the core is about to be asked; raises Conflict when the key submits another order."""
        submitted = decision.order
        try:
            await self._connection.execute(
                "UPDATE orders SET core_reference = $2, submit_key = $3, authenticated_at = $4 WHERE order_id = $1",
                submitted.order_id, submitted.core_reference, submitted.submit_key, authenticated_at,
            )  # fmt: skip
        except asyncpg.UniqueViolationError:
            raise key_conflict() from None
        await self.save(decision, stream_time_ms)

    async def save_extended(self, decision: Decision, stream_time_ms: int | None) -> None:
        """Write a reservation's longer time."""
        extended = decision.order
        await self._connection.execute(
            "UPDATE orders SET reserved_until = $2, extended_at = $3 WHERE order_id = $1",
            extended.order_id, extended.reserved_until, extended.extended_at,
        )  # fmt: skip
        await self.save(decision, stream_time_ms)

    async def release_later(self, order_id: str) -> None:
        """Write down that the core has yet to release this order's funds."""
        await self._connection.execute("UPDATE orders SET release_due = true WHERE order_id = $1", order_id)

    async def released(self, order_id: str) -> None:
        """The funds are released: nothing is due any more."""
        await self._connection.execute(
            "WITH struck AS (DELETE FROM core_again WHERE order_id = $1)"
            " UPDATE orders SET release_due = false WHERE order_id = $1",
            order_id,
        )

    async def releases_due(self, now: datetime, limit: int) -> list[str]:
        """The orders whose funds are yet to be released; those not put off (`core_again_postgres`) come first."""
        rows = await self._connection.fetch(
            "SELECT order_id FROM orders LEFT JOIN core_again USING (order_id)"
            " WHERE release_due AND coalesce(again_at <= $1, true) ORDER BY again_at NULLS FIRST LIMIT $2",
            now, limit,
        )  # fmt: skip
        return [row["order_id"] for row in rows]

    async def awaiting(self, before: datetime, now: datetime, limit: int) -> list[tuple[Order, datetime]]:
        """Submissions without outcome that moved last before that moment, and when they moved.

        Oldest first, and behind them those that were put off until a moment that has come.
        """
        rows = await self._connection.fetch(
            "SELECT o.* FROM orders o LEFT JOIN core_again USING (order_id)"
            " WHERE state IN ('submitted', 'outcome_unknown') AND updated_at <= $1"
            " AND coalesce(again_at <= $2, true) ORDER BY again_at NULLS FIRST, updated_at LIMIT $3",
            before, now, limit,
        )  # fmt: skip
        return [(order_of(row), row["updated_at"]) for row in rows]

    async def _record(self, decision: Decision, stream_time_ms: int | None) -> int:
        moved = decision.moved
        step: int = await self._connection.fetchval(
            "INSERT INTO order_history (order_id, step, from_state, to_state, actor_id, reason, stream_time_ms, at)"
            " SELECT $1, coalesce(max(step), 0) + 1, $2, $3, $4, $5, $6, $7 FROM order_history WHERE order_id = $1"
            " RETURNING step",
            moved.order_id, moved.from_state.value, moved.to_state.value, moved.actor_id, moved.reason,
            stream_time_ms, moved.at,
        )  # fmt: skip
        return step

    async def lock(self, order_id: str, customer_id: str | None = None) -> Order | None:
        """Read an order for a change; with `customer_id`, only if it is that customer's."""
        row = await self._connection.fetchrow(
            "SELECT * FROM orders WHERE order_id = $1 AND ($2::text IS NULL OR customer_id = $2) FOR UPDATE",
            order_id, customer_id,
        )  # fmt: skip
        return None if row is None else order_of(row)

    async def lock_due(self, now: datetime, passed_over: Collection[str]) -> Order | None:
        """Read one reservation whose time is over, for a change; these, and what others work on, are skipped."""
        row = await self._connection.fetchrow(
            "SELECT * FROM orders WHERE state = 'reserved' AND reserved_until <= $1 AND order_id <> ALL($2::text[])"
            " ORDER BY reserved_until LIMIT 1 FOR UPDATE SKIP LOCKED",
            now, list(passed_over),
        )  # fmt: skip
        return None if row is None else order_of(row)

    async def view(self, order_id: str, customer_id: str) -> OrderView | None:
        """One order as its owner reads it; another's is None."""
        row = await self._connection.fetchrow(
            f"{_VIEW} WHERE o.order_id = $1 AND o.customer_id = $2", order_id, customer_id
        )
        return None if row is None else _view(row)

    async def views(
        self,
        customer_id: str,
        before: str | None,
        limit: int,
        states: frozenset[State] | None,
        broadcast_id: str | None = None,
    ) -> list[OrderView]:
        """A customer's orders, newest first, from before the given id; of these states and broadcast, or of all."""
        rows = await self._connection.fetch(
            f"{_VIEW} WHERE o.customer_id = $1 AND ($2::text IS NULL OR o.order_id < $2)"
            " AND ($4::text[] IS NULL OR o.state = ANY($4)) AND ($5::text IS NULL OR o.broadcast_id = $5)"
            " ORDER BY o.order_id DESC LIMIT $3",
            customer_id, before, limit, None if states is None else sorted(states), broadcast_id,
        )  # fmt: skip
        return [_view(row) for row in rows]


def order_of(row: Any) -> Order:
    """Build an order from a row of the table."""
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
        extended_at=row["extended_at"],
        submit_key=row["submit_key"],
        core_reference=row["core_reference"],
        confirmed_units_minor=row["confirmed_units_minor"],
        confirming=row["confirming_at"] is not None,
        assessed_at=row["assessed_at"],
    )


def _view(row: Any) -> OrderView:
    return order_view(order_of(row), row["product_name"], from_json(row["receipt_json"], Receipt))
