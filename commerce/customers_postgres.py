"""Customers and what they acknowledged, in Postgres. Does I/O inside the caller's transaction."""

import logging
from datetime import date, datetime
from typing import Any, Literal

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.envelopes import EnvelopeError, Envelopes
from commerce.errors import NotFound, RecordUnreadable
from commerce.money import Money
from commerce.product import CardVersion
from commerce.purchase import Acknowledgement, ExtraReading, KeptReading
from commerce.rows import from_json, to_json
from commerce.suitability import Customer

_log = logging.getLogger(__name__)
_NOTHING_IN_PLAIN = "masked_name = NULL, birth_date = NULL, declared_means_minor = NULL, means_currency = NULL"


class Customers:
    """Customer records by account id."""

    def __init__(self, connection: PoolConnectionProxy, envelopes: Envelopes) -> None:
        self._connection = connection
        self._envelopes = envelopes

    async def read(self, customer_id: str, lock: str = "") -> Customer | None:
        """Read one; raises RecordUnreadable. `FOR NO KEY UPDATE` makes the customer's purchases and tips take turns.

        No stronger: an acknowledgement, whose stage is held before, looks up its customer by the foreign key.
        """
        row = await self._connection.fetchrow(f"SELECT * FROM customers WHERE customer_id = $1 {lock}", customer_id)
        return None if row is None else customer_of(row, self._envelopes)

    async def save(self, customer: Customer, at: datetime) -> None:
        await self._connection.execute(
            "INSERT INTO customers (customer_id, personal, risk_tolerance, assessed_at, relationship_manager_id,"
            " branch, updated_at, questionnaire_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
            f" ON CONFLICT (customer_id) DO UPDATE SET personal = $2, {_NOTHING_IN_PLAIN},"
            " risk_tolerance = $3, assessed_at = $4, relationship_manager_id = $5, branch = $6, updated_at = $7,"
            " questionnaire_version = $8",
            customer.customer_id, reseal(self._envelopes, customer), customer.risk_tolerance, customer.assessed_at,
            customer.relationship_manager_id, customer.branch, at, customer.questionnaire_version,
        )  # fmt: skip

    async def identify(
        self, customer_id: str, masked_name: str, birth_date: date, relationship_manager_id: str | None,
        branch: str | None, declared_means: Money | None, at: datetime,
    ) -> None:  # fmt: skip
        """Create a record without assessment, or change the person in it; what is None stays as it is.

        Raises RecordUnreadable where what stays does not open: written anew it would be lost.
        """
        if declared_means is None:
            held = await self.read(customer_id, "FOR NO KEY UPDATE")
            declared_means = None if held is None else held.declared_means
        await self._connection.execute(
            "INSERT INTO customers AS c (customer_id, personal, relationship_manager_id, branch, updated_at)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (customer_id) DO UPDATE SET personal = $2,"
            f" {_NOTHING_IN_PLAIN}, branch = coalesce($4, c.branch), updated_at = $5,"
            " relationship_manager_id = coalesce($3, c.relationship_manager_id)",
            customer_id, seal_personal(self._envelopes, customer_id, masked_name, birth_date, declared_means),
            relationship_manager_id, branch, at,
        )  # fmt: skip

    async def note(self, act: "CustomerAct") -> None:
        """Keep what staff did for a customer; raises NotFound `no_such_customer`."""
        try:
            await self._connection.execute(
                "INSERT INTO customer_acts (act_id, customer_id, act, actor, reason, at)"
                " VALUES ($1, $2, $3, $4, $5, $6)",
                *msgspec.structs.astuple(act),
            )
        except asyncpg.ForeignKeyViolationError:
            raise no_such_customer() from None

    async def kept_reading(self, acknowledgement_id: str) -> KeptReading | None:
        row = await self._connection.fetchrow(
            "SELECT *, documents::text AS documents_json FROM acknowledgements WHERE acknowledgement_id = $1",
            acknowledgement_id,
        )
        if row is None:
            return None
        acknowledgement = Acknowledgement(*(row[name] for name in Acknowledgement.__struct_fields__))
        documents = from_json(row["documents_json"], list[dict[str, str]]) or []
        read = tuple((document["document_id"], document["sha256"]) for document in documents)
        return KeptReading(acknowledgement, read, row["dwell_ms"], row["stream_time_ms"])

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

    async def add_extra_reading(self, acknowledgement: Acknowledgement, extra: ExtraReading) -> None:
        """Keep the first time; the wait is not restarted by reading again."""
        await self._connection.execute(
            "INSERT INTO extra_disclosures (customer_id, product_id, card_version, acknowledgement_id, text,"
            " text_sha256, acknowledged_at, orderable_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
            " ON CONFLICT DO NOTHING",
            acknowledgement.customer_id, acknowledgement.product_id, acknowledgement.card_version,
            *msgspec.structs.astuple(extra),
        )  # fmt: skip

    async def extra_reading(self, customer_id: str, product_id: str, card_version: int) -> ExtraReading | None:
        """The extra disclosure of this card version as this customer first acknowledged it."""
        row = await self._connection.fetchrow(
            "SELECT acknowledgement_id, coalesce(text, '') AS text, text_sha256, acknowledged_at,"
            " coalesce(orderable_from, acknowledged_at + interval '24 hours') AS orderable_from FROM extra_disclosures"
            " WHERE customer_id = $1 AND product_id = $2 AND card_version = $3",
            customer_id, product_id, card_version,
        )  # fmt: skip
        return None if row is None else ExtraReading(*row)


class CustomerAct(msgspec.Struct, frozen=True):
    """What staff gave or wrote down by hand; `act_id` is that of the grant or the transfer where there is one."""

    act_id: str
    customer_id: str
    act: Literal["points", "credit", "means"]
    actor: str
    reason: str
    at: datetime


def no_such_customer() -> NotFound:
    """The refusal of an id that no record of a customer has."""
    return NotFound("no_such_customer", "the bank has no record of this customer yet")


class Personal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed of a customer."""

    name: str
    birth_date: date
    means: Money | None = None


def seal_personal(
    envelopes: Envelopes, customer_id: str, name: str, birth_date: date, declared_means: Money | None = None
) -> bytes:
    """Make the value of `customers.personal`; one envelope, as each that is opened costs a rush some microseconds."""
    return envelopes.seal(msgspec.json.encode(Personal(name, birth_date, declared_means)), _context(customer_id))


def reseal(envelopes: Envelopes, customer: Customer) -> bytes:
    """Make the value of `customers.personal` anew for a customer who was read."""
    who = customer
    return seal_personal(envelopes, who.customer_id, who.masked_name, who.birth_date, who.declared_means)


def customer_of(row: Any, envelopes: Envelopes) -> Customer:
    """Build a customer from a row of the table; raises RecordUnreadable, which names nobody: the log has the id.

    What a version before wrote is not sealed yet, in whole or in part.
    """
    customer_id, means_minor = row["customer_id"], row["declared_means_minor"]
    personal = _personal(row, envelopes)
    means = personal.means if means_minor is None else Money(means_minor, row["means_currency"])
    return Customer(
        customer_id,
        personal.name,
        personal.birth_date,
        row["risk_tolerance"],
        row["assessed_at"],
        means,
        row["relationship_manager_id"],
        row["branch"],
        row["questionnaire_version"],
    )


def _personal(row: Any, envelopes: Envelopes) -> Personal:
    """Open what is sealed; the version before left it unsealed in columns of its own."""
    customer_id, sealed = row["customer_id"], row["personal"]
    if sealed is None:
        return Personal(row["masked_name"], row["birth_date"])
    try:
        return _DECODE_PERSONAL(envelopes.open(sealed, _context(customer_id)))
    except EnvelopeError:
        _log.error("the sealed record of %s does not open", customer_id)
        raise RecordUnreadable from None


def _context(customer_id: str) -> str:
    return f"customers.personal {customer_id}"


_DECODE_PERSONAL = msgspec.json.Decoder(Personal).decode
