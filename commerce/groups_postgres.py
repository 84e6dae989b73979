"""Groups of reservations in Postgres: locks, reads and writes by sets, one statement each. Does I/O.

Nothing here waits for a customer's row: a customer who is busy elsewhere goes with a later group. What a group does
wait for are positions that a cancel holds, a stage being changed, and the quota, always in this order.
Lookups by row stand in LATERAL subqueries with a LIMIT, so that no plan made while a table was small scans it later.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from commerce.array_text import numbers, texts
from commerce.catalogue_postgres import CARD_COLUMNS, card_of
from commerce.customers_postgres import customer_of
from commerce.envelopes import Envelopes
from commerce.errors import RecordUnreadable
from commerce.facts import NewFact
from commerce.group import Buyer, Request, StoredAnswer
from commerce.group_rows import GroupRows
from commerce.idempotency import Answer
from commerce.keys_postgres import in_progress
from commerce.purchase import Acknowledgement, OnStage
from commerce.quota import Quota
from commerce.rows import from_json, to_json
from commerce.stage_postgres import STAGE_LOCK_SPACE
from commerce.suitability import Customer

_ACKNOWLEDGEMENTS = """
    SELECT acknowledgement_id, customer_id, broadcast_id, product_id, card_version, typed_text, acknowledged_at,
           expires_at, method
    FROM acknowledgements WHERE acknowledgement_id = ANY($1::text::text[])"""

# The customers that are free, or that do not exist; then the positions and the stage, which are waited for.
_HOLD = """
    WITH free AS MATERIALIZED (
        SELECT customer_id FROM customers WHERE customer_id = ANY($1::text::text[])
        ORDER BY customer_id FOR NO KEY UPDATE SKIP LOCKED
    ), positions AS MATERIALIZED (
        SELECT held.customer_id FROM free CROSS JOIN LATERAL (
            SELECT p.customer_id FROM customer_positions p
            WHERE p.customer_id = free.customer_id AND p.product_id = $2 LIMIT 1 FOR NO KEY UPDATE
        ) held
    ), stages AS MATERIALIZED (
        SELECT pg_advisory_xact_lock_shared($4, hashtext(broadcast_id)) FROM unnest($3::text[]) AS b(broadcast_id)
    )
    SELECT customer_id, (SELECT count(*) FROM positions) + (SELECT count(*) FROM stages) AS held FROM free"""

_STAGES = f"""
    SELECT s.broadcast_id, s.showing_id, s.shown_at, s.stream_time_ms, {CARD_COLUMNS}
    FROM showings s JOIN card_versions c USING (product_id, card_version)
    WHERE s.broadcast_id = ANY($1::text[]) AND s.pulled_at IS NULL"""

BUYERS = """
    SELECT c.*, x.orderable_from, p.of_product, p.of_all, p.has_position, k.body_sha256, k.answer
    FROM unnest($1::text::text[], $2::text::text[], $3::text::integer[]) WITH ORDINALITY
        AS r(customer_id, key, card_version, n)
    LEFT JOIN LATERAL (SELECT * FROM customers c WHERE c.customer_id = r.customer_id LIMIT 1) c ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(orderable_from, acknowledged_at + interval '24 hours') AS orderable_from
        FROM extra_disclosures x
        WHERE x.customer_id = r.customer_id AND x.product_id = $4 AND x.card_version = r.card_version LIMIT 1
    ) x ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(taken_minor) FILTER (WHERE product_id = $4), 0)::bigint AS of_product,
               least(coalesce(sum(taken_minor) FILTER (WHERE currency = $5), 0), 9223372036854775807)::bigint AS of_all,
               coalesce(bool_or(product_id = $4), false) AS has_position
        FROM customer_positions p WHERE p.customer_id = r.customer_id
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT body_sha256, answer::text AS answer FROM idempotency_keys k
        WHERE k.customer_id = r.customer_id AND k.operation = 'reserve' AND k.key = r.key LIMIT 1
    ) k ON true
    ORDER BY r.n"""

_QUOTA = """
    SELECT total_minor, taken_minor,
           ARRAY(
               SELECT broadcast_id FROM showings s WHERE s.product_id = $1 AND pulled_at IS NULL ORDER BY 1
           ) AS shown_in
    FROM quotas WHERE product_id = $1 FOR NO KEY UPDATE"""

# One statement for the whole group: quota, positions, orders (each the first step of its own history), answers, facts.
# What many orders share stands once, in the arrays of places. Who has no position yet is known, under their lock:
# a plain INSERT costs half of one that first looks for a conflict. Long arrays come as text (`array_text`).
_WRITE = """
    WITH quota AS (
        UPDATE quotas SET taken_minor = taken_minor + $2::bigint WHERE product_id = $1 AND $2::bigint > 0
    ), first_positions AS (
        INSERT INTO customer_positions (customer_id, product_id, currency, taken_minor)
        SELECT customer_id, $1, $3, amount_minor
        FROM unnest($5::text::text[], $6::text::bigint[]) AS t(customer_id, amount_minor)
    ), further_positions AS (
        INSERT INTO customer_positions AS p (customer_id, product_id, currency, taken_minor)
        SELECT customer_id, $1, $3, amount_minor
        FROM unnest($7::text::text[], $8::text::bigint[]) AS t(customer_id, amount_minor)
        ON CONFLICT (customer_id, product_id) DO UPDATE
        SET taken_minor = p.taken_minor + EXCLUDED.taken_minor, currency = EXCLUDED.currency
    ), added AS (
        INSERT INTO orders (order_id, customer_id, product_id, card_version, broadcast_id, showing_id,
            acknowledgement_id, amount_minor, currency, fee_minor, state, reserved_until, risk_rating, risk_tolerance,
            assessed_at, stream_time_ms, created_at, updated_at)
        SELECT order_id, customer_id, $1, ($9::integer[])[place], ($10::text[])[place], ($11::text[])[place],
               acknowledgement_id, amount_minor, $3, fee_minor, 'reserved', $14, ($12::smallint[])[place],
               risk_tolerance, assessed_at, ($13::bigint[])[place], $4, $4
        FROM unnest($15::text::smallint[], $16::text::text[], $17::text::text[], $18::text::text[],
            $19::text::bigint[], $20::text::bigint[], $21::text::smallint[], $22::text::timestamptz[])
            AS o(place, order_id, customer_id, acknowledgement_id, amount_minor, fee_minor, risk_tolerance, assessed_at)
    ), answers AS (
        INSERT INTO idempotency_keys (customer_id, operation, key, body_sha256, answer, created_at)
        SELECT customer_id, 'reserve', key, decode(body_sha256, 'hex'), answer::jsonb, $4
        FROM unnest($23::text::text[], $24::text::text[], $25::text::text[], $26::text[])
            AS k(customer_id, key, body_sha256, answer)
    )
    INSERT INTO commerce_outbox (kind, broadcast_id, payload, at)
    SELECT kind, broadcast_id, payload::jsonb, $4
    FROM unnest($27::text[], $28::text[], $29::text[]) WITH ORDINALITY
        AS f(kind, broadcast_id, payload, n) ORDER BY n"""


class Groups:
    """Reads what a group's decision needs and writes what it decided."""

    def __init__(self, connection: PoolConnectionProxy, envelopes: Envelopes) -> None:
        self._connection = connection
        self._envelopes = envelopes

    async def acknowledgements(self, ids: Sequence[str]) -> dict[str, Acknowledgement]:
        """Read the acknowledgements that exist, by id; they never change."""
        rows = await self._connection.fetch(_ACKNOWLEDGEMENTS, texts(ids))
        return {row["acknowledgement_id"]: Acknowledgement(*row) for row in rows}

    async def used_keys(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Say which of these, as (customer, key), have been reserved with."""
        rows = await self._connection.fetch(
            "SELECT customer_id, key FROM idempotency_keys JOIN unnest($1::text::text[], $2::text::text[])"
            " AS k(customer_id, key) USING (customer_id, key) WHERE operation = 'reserve'",
            texts([customer_id for customer_id, _ in keys]), texts([key for _, key in keys]),
        )  # fmt: skip
        return {(row["customer_id"], row["key"]) for row in rows}

    async def hold(self, customer_ids: set[str], product_id: str, broadcast_ids: set[str]) -> set[str]:
        """Keep customers, their positions and the stages as they are; returns the customers that were free."""
        rows = await self._connection.fetch(
            _HOLD, texts(sorted(customer_ids)), product_id, sorted(broadcast_ids), STAGE_LOCK_SPACE
        )
        return {row["customer_id"] for row in rows}

    async def stages(self, broadcast_ids: set[str]) -> dict[str, OnStage]:
        """Read the open showings of these broadcasts, with their cards."""
        rows = await self._connection.fetch(_STAGES, sorted(broadcast_ids))
        return {
            row["broadcast_id"]: OnStage(row["showing_id"], card_of(row), row["shown_at"], row["stream_time_ms"])
            for row in rows
        }

    async def buyers(
        self, requests: Sequence[Request], product_id: str, currency: str
    ) -> tuple[list[Buyer], list[StoredAnswer | None]]:
        """Read customers with what they hold, and the answers that their keys have, beside the requests."""
        rows = await self._connection.fetch(
            BUYERS,
            texts([request.customer_id for request in requests]),
            texts([request.key for request in requests]),
            numbers([request.acknowledgement.card_version for request in requests]),
            product_id,
            currency,
        )
        return [buyer_of(row, self._envelopes) for row in rows], [stored_of(row) for row in rows]

    async def lock_quota(self, product_id: str) -> tuple[Quota, list[str]]:
        """Read the product's quota, kept for this transaction, and the broadcasts that show it."""
        row = await self._connection.fetchrow(_QUOTA, product_id)
        assert row is not None, f"{product_id} was approved without a quota"
        return Quota(row["total_minor"], row["taken_minor"]), row["shown_in"]

    async def write(self, rows: GroupRows, facts: Sequence[NewFact], wait_s: float) -> None:
        """Take quota and positions for the new orders, and add orders, answers and facts.

        Raises Unavailable `in_progress` when a key or a position was written meanwhile without its customer's row, as
        the program before groups did; it may run beside this one during an upgrade.
        """
        try:
            await self._connection.execute(_WRITE, *rows.parameters, *_fact_columns(facts), timeout=wait_s)
        except (TimeoutError, asyncpg.UniqueViolationError):
            raise in_progress() from None


def _fact_columns(facts: Sequence[NewFact]) -> list[list[str]]:
    """A group's facts are for rooms, or for many owners at once: none is addressed in its own row."""
    return [
        [fact.kind for fact in facts],
        [fact.broadcast_id for fact in facts],
        [to_json(fact.payload) for fact in facts],
    ]


def buyer_of(row: Mapping[str, Any], envelopes: Envelopes) -> Buyer:
    """Build a buyer from a row of `BUYERS`; a record that does not open is this buyer's trouble alone."""
    customer: Customer | None = None
    unreadable: RecordUnreadable | None = None
    try:
        customer = None if row["customer_id"] is None else customer_of(row, envelopes)
    except RecordUnreadable as error:
        unreadable = error
    return Buyer(customer, row["orderable_from"], row["of_product"], row["of_all"], row["has_position"], unreadable)


def stored_of(row: Mapping[str, Any]) -> StoredAnswer | None:
    """Build the answer that a key has from a row of `BUYERS`."""
    if row["body_sha256"] is None:
        return None
    answer = from_json(row["answer"], Answer)
    assert answer is not None, "a committed key has its answer"
    return StoredAnswer(row["body_sha256"], answer)
