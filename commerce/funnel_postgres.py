"""How far customers came before they agreed to anything, in Postgres. Does I/O inside the caller's transaction."""

from collections.abc import Collection
from datetime import datetime

from asyncpg.pool import PoolConnectionProxy

from commerce.funnel import FunnelStep


class FunnelSteps:
    """A step counts once a customer, product and show, however often it is made."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def note(
        self, broadcast_id: str, product_id: str, customer_id: str, steps: Collection[FunnelStep], at: datetime
    ) -> None:
        """Keep that these steps were made; repeating it changes nothing."""
        await self._connection.execute(
            "INSERT INTO funnel_steps (broadcast_id, product_id, customer_id, step, first_at)"
            " SELECT $1, $2, $3, unnest($4::text[]), $5 ON CONFLICT DO NOTHING",
            broadcast_id, product_id, customer_id, list(steps), at,
        )  # fmt: skip

    async def note_mismatches(self, product_id: str, who: Collection[tuple[str, str]], at: datetime) -> None:
        """Keep that the product did not suit these, as (broadcast, customer); in their order against deadlocks."""
        await self._connection.execute(
            "INSERT INTO funnel_steps (broadcast_id, product_id, customer_id, step, first_at)"
            " SELECT broadcast_id, $1, customer_id, 'mismatch', $2"
            " FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS w(broadcast_id, customer_id, n) ORDER BY n"
            " ON CONFLICT DO NOTHING",
            product_id, at, *(list(column) for column in zip(*sorted(who), strict=True)),
        )  # fmt: skip
