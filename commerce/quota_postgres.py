"""Quota and customers' positions in Postgres, each by one statement. Does I/O."""

from asyncpg.pool import PoolConnectionProxy

from commerce.errors import Conflict
from commerce.money import Money
from commerce.quota import Quota


class Quotas:
    """The rows that all buyers of a product share, and one row a customer and product.

    What new orders take is written by their group (`groups_postgres`), under the quota's lock.
    """

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def read(self, product_id: str) -> Quota | None:
        """Read a product's quota; None before its first approval."""
        row = await self._connection.fetchrow(
            "SELECT total_minor, taken_minor FROM quotas WHERE product_id = $1", product_id
        )
        return None if row is None else Quota(row["total_minor"], row["taken_minor"])

    async def locked(self, product_id: str) -> Quota:
        """Read an approved product's quota and keep it for this transaction until it ends."""
        row = await self._connection.fetchrow(
            "SELECT total_minor, taken_minor FROM quotas WHERE product_id = $1 FOR NO KEY UPDATE", product_id
        )
        assert row is not None, f"{product_id} was approved without a quota"
        return Quota(row["total_minor"], row["taken_minor"])

    async def set_total(self, product_id: str, total: Money) -> Quota:
        """Create the quota, or change its total and, while nothing is taken, its currency.

        Raises Conflict `quota_below_taken` rather than oversell, `currency_taken` where orders are in the other one.
        """
        row = await self._connection.fetchrow(
            "INSERT INTO quotas (product_id, currency, total_minor) VALUES ($1, $2, $3)"
            " ON CONFLICT (product_id) DO UPDATE SET total_minor = $3, currency = $2"
            " WHERE quotas.taken_minor <= $3 AND (quotas.currency = $2 OR quotas.taken_minor = 0)"
            " RETURNING total_minor, taken_minor",
            product_id, total.currency, total.amount_minor,
        )  # fmt: skip
        if row is None:
            currency = await self._connection.fetchval("SELECT currency FROM quotas WHERE product_id = $1", product_id)
            if currency != total.currency:
                raise Conflict("currency_taken", f"orders hold some of it in {currency}: its currency stays")
            raise Conflict("quota_below_taken", "more than this is taken already")
        return Quota(row["total_minor"], row["taken_minor"])

    async def give_back(self, product_id: str, amount_minor: int) -> Quota:
        """Release what an order held; the CHECK stops more than was taken."""
        row = await self._connection.fetchrow(
            "UPDATE quotas SET taken_minor = taken_minor - $2 WHERE product_id = $1"
            " RETURNING total_minor, taken_minor",
            product_id, amount_minor,
        )  # fmt: skip
        assert row is not None, f"{product_id} has orders and no quota"
        return Quota(row["total_minor"], row["taken_minor"])

    async def positions(self, customer_id: str, product_id: str, currency: str) -> tuple[int, int]:
        """What the customer holds of this product, and of all products in this currency, in minor units."""
        row = await self._connection.fetchrow(
            "SELECT coalesce(sum(taken_minor) FILTER (WHERE product_id = $2), 0)::bigint AS of_product,"
            " coalesce(sum(taken_minor) FILTER (WHERE currency = $3), 0)::numeric AS of_all"
            " FROM customer_positions WHERE customer_id = $1",
            customer_id, product_id, currency,
        )  # fmt: skip
        assert row is not None
        return row["of_product"], int(row["of_all"])

    async def give_back_position(self, customer_id: str, product_id: str, amount_minor: int) -> None:
        await self._connection.execute(
            "UPDATE customer_positions SET taken_minor = taken_minor - $3"
            " WHERE customer_id = $1 AND product_id = $2",
            customer_id, product_id, amount_minor,
        )  # fmt: skip
