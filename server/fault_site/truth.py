"""What the database holds of what clients were promised. Talks to Postgres; only reads."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from commerce.order import HOLDS_QUOTA
from server.demo.bank import PRODUCT_ID

_KEPT_AFTER_ACCEPTANCE = ("accepted", "confirmed", "partially_confirmed", "holding")


def compare(database_url: str, promised: dict[str, Any]) -> dict[str, Any]:
    """Name what is missing, and count what each customer has.

    `promised`: `comments` (ids), `tips` (how many each account was acknowledged, from the beginning), `orders` (id →
    last state told).
    """
    return asyncio.run(_compare(database_url, promised))


async def _compare(url: str, promised: dict[str, Any]) -> dict[str, Any]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        kept = {row[0] for row in await connection.fetch("SELECT comment_id FROM comments")}
        states = dict(await connection.fetch("SELECT order_id, state FROM orders"))
        bought = dict(await connection.fetch("SELECT customer_id, count(*) FROM orders GROUP BY 1"))
        tipped = dict(await connection.fetch("SELECT customer_id, count(*) FROM tips GROUP BY 1"))
        sold, total = await connection.fetchrow(
            "SELECT (SELECT coalesce(sum(amount_minor), 0)::bigint FROM orders WHERE product_id = $1 "
            "AND state = ANY($2)), total_minor FROM quotas WHERE product_id = $1",
            PRODUCT_ID,
            list(HOLDS_QUOTA),
        )
    finally:
        await connection.close(timeout=5)
    lost_orders = [
        order_id
        for order_id, told in promised["orders"].items()
        if order_id not in states or (told == "accepted" and states[order_id] not in _KEPT_AFTER_ACCEPTANCE)
    ]
    return {
        "lost_comments": [one for one in promised["comments"] if one not in kept],
        "lost_tips": sum(max(0, least - tipped.get(who, 0)) for who, least in promised["tips"].items()),
        "lost_orders": lost_orders,
        "tipped": tipped,
        "bought": bought,
        "sold_minor": sold,
        "quota_minor": total,
    }
