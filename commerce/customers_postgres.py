"""Customers and what they acknowledged, in Postgres. Does I/O inside the caller's transaction."""

from datetime import datetime
from typing import Any

from asyncpg.pool import PoolConnectionProxy

from commerce.money import Money
from commerce.product import CardVersion
from commerce.purchase import Acknowledgement
from commerce.rows import to_json
from commerce.suitability import Customer


class Customers:
    """Customer records by account id."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def read(self, customer_id: str, lock: str = "") -> Customer | None:
        """Read one; `FOR UPDATE` makes the customer's purchases and tips take turns."""
        row = await self._connection.fetchrow(f"SELECT * FROM customers WHERE customer_id = $1 {lock}", customer_id)
        return None if row is None else customer_of(row)

    async def save(self, customer: Customer, at: datetime) -> None:
        means = customer.declared_means
        await self._connection.execute(
            "INSERT INTO customers (customer_id, masked_name, birth_date, risk_tolerance, assessed_at,"
            " declared_means_minor, means_currency, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
            " ON CONFLICT (customer_id) DO UPDATE SET masked_name = $2, birth_date = $3, risk_tolerance = $4,"
            " assessed_at = $5, declared_means_minor = $6, means_currency = $7, updated_at = $8",
            customer.customer_id, customer.masked_name, customer.birth_date, customer.risk_tolerance,
            customer.assessed_at, None if means is None else means.amount_minor,
            None if means is None else means.currency, at,
        )  # fmt: skip

    async def acknowledgement(self, acknowledgement_id: str) -> Acknowledgement | None:
        row = await self._connection.fetchrow(
            "SELECT acknowledgement_id, customer_id, broadcast_id, product_id, card_version, typed_text,"
            " acknowledged_at, expires_at, method FROM acknowledgements WHERE acknowledgement_id = $1",
            acknowledgement_id,
        )
        return None if row is None else Acknowledgement(*row)

    async def add_acknowledgement(
        self, acknowledgement: Acknowledgement, card: CardVersion, dwell_ms: int, stream_time_ms: int | None
    ) -> None:
        """Keep what was read (documents with their hashes, the disclosure's hash), typed, and for how long."""
        documents = [{"document_id": d.document_id, "sha256": d.sha256} for d in card.documents]
        await self._connection.execute(
            "INSERT INTO acknowledgements (acknowledgement_id, customer_id, broadcast_id, product_id, card_version,"
            " typed_text, acknowledged_at, expires_at, documents, disclosure_sha256, dwell_ms, stream_time_ms,"
            " method)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, $13)",
            acknowledgement.acknowledgement_id, acknowledgement.customer_id, acknowledgement.broadcast_id,
            acknowledgement.product_id, acknowledgement.card_version, acknowledgement.typed_text,
            acknowledgement.acknowledged_at, acknowledgement.expires_at, to_json(documents),
            card.disclosure_sha256, dwell_ms, stream_time_ms, acknowledgement.method,
        )  # fmt: skip

    async def add_extra_disclosure(self, acknowledgement: Acknowledgement, text_sha256: str) -> None:
        """Keep the first time; the wait is not restarted by reading again."""
        await self._connection.execute(
            "INSERT INTO extra_disclosures (customer_id, product_id, card_version, acknowledgement_id, text_sha256,"
            " acknowledged_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            acknowledgement.customer_id, acknowledgement.product_id, acknowledgement.card_version,
            acknowledgement.acknowledgement_id, text_sha256, acknowledgement.acknowledged_at,
        )  # fmt: skip

    async def extra_disclosure_at(self, customer_id: str, card: CardVersion) -> datetime | None:
        """When this customer first acknowledged the extra disclosure of this card version."""
        at: datetime | None = await self._connection.fetchval(
            "SELECT acknowledged_at FROM extra_disclosures"
            " WHERE customer_id = $1 AND product_id = $2 AND card_version = $3",
            customer_id, card.product_id, card.card_version,
        )  # fmt: skip
        return at


def customer_of(row: Any) -> Customer:
    """Build a customer from a row of the table."""
    means = row["declared_means_minor"]
    return Customer(
        row["customer_id"],
        row["masked_name"],
        row["birth_date"],
        row["risk_tolerance"],
        row["assessed_at"],
        None if means is None else Money(means, row["means_currency"]),
    )
