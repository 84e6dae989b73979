"""The baseline: one order a transaction, as lean as by hand, with the same checks and rows. Does I/O.

Six round trips: begin; lock the customer, their position and the stage; read all; lock the quota; write; commit. There
is no queue and no intake before it, and the cards, which never change, are read once.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from commerce import group
from commerce.array_text import numbers, texts
from commerce.envelopes import Envelopes
from commerce.errors import CommerceError
from commerce.facts import NewFact, quota_changed
from commerce.group import Reading, Request, Stage
from commerce.group_draft import draft_of
from commerce.groups_postgres import BUYERS, Groups, buyer_of, stored_of
from commerce.idempotency import body_hash
from commerce.money import money
from commerce.ports import BroadcastReader
from commerce.product import CardVersion
from commerce.purchase import Acknowledgement, OnStage
from commerce.quota import Quota, coarse_left_minor
from commerce.receipt import OrderView
from commerce.settings import CommerceSettings
from commerce.stage_postgres import STAGE_LOCK_SPACE
from server.ids import new_id

_HOLD = """
    WITH a AS MATERIALIZED (
        SELECT acknowledgement_id, customer_id, broadcast_id, product_id, card_version, typed_text, acknowledged_at,
               expires_at, method
        FROM acknowledgements WHERE acknowledgement_id = $1 AND customer_id = $2
    ), held AS MATERIALIZED (
        SELECT c.customer_id FROM customers c WHERE c.customer_id = $2 FOR NO KEY UPDATE
    ), position AS MATERIALIZED (
        SELECT p.customer_id FROM held CROSS JOIN a CROSS JOIN LATERAL (
            SELECT p.customer_id FROM customer_positions p
            WHERE p.customer_id = held.customer_id AND p.product_id = a.product_id LIMIT 1 FOR NO KEY UPDATE
        ) p
    ), stage AS MATERIALIZED (
        SELECT pg_advisory_xact_lock_shared($3, hashtext(broadcast_id)) FROM a
    )
    SELECT a.* FROM a WHERE (SELECT count(*) FROM position) + (SELECT count(*) FROM stage) > 0"""
_READ = f"""
    SELECT b.*, s.showing_id, s.shown_at, s.stream_time_ms, s.product_id AS shown, s.card_version AS shown_version
    FROM ({BUYERS}) b LEFT JOIN showings s ON s.broadcast_id = $6 AND s.pulled_at IS NULL"""


class OneByOne:
    """Takes orders, each in a transaction of its own; `cards` are by product."""

    def __init__(
        self, pool: asyncpg.Pool, broadcasts: BroadcastReader, envelopes: Envelopes, cards: dict[str, CardVersion]
    ) -> None:
        self._pool = pool
        self._broadcasts = broadcasts
        self._envelopes = envelopes
        self._cards = cards
        self._settings = CommerceSettings()

    async def reserve(
        self, customer_id: str, acknowledgement_id: str, amount_minor: object, currency: object, key: str
    ) -> OrderView:
        """Reserve as `Sale.reserve` does; raises Refusal, Conflict or Unavailable."""
        amount = money(amount_minor, currency)
        async with self._pool.acquire(timeout=60) as connection, connection.transaction():
            row = await connection.fetchrow(_HOLD, acknowledgement_id, customer_id, STAGE_LOCK_SPACE)
            assert row is not None, "every buyer has acknowledged"
            body = body_hash(acknowledgement_id, amount.amount_minor, amount.currency)
            request = Request(customer_id, Acknowledgement(*row), amount, key, body, new_id("or"))
            result = await self._decide(connection, request)
        if isinstance(result, CommerceError):
            raise result
        return result

    async def _decide(
        self, connection: asyncpg.pool.PoolConnectionProxy, request: Request
    ) -> OrderView | CommerceError:
        now, groups = datetime.now(UTC), Groups(connection, self._envelopes)
        product_id = request.acknowledgement.product_id
        reading = await self._read(connection, request)
        screened = group.screen(reading, now, self._settings.suitability)
        before, shown_in = await groups.lock_quota(product_id) if None in screened else (Quota(0), list[str]())
        allotment = group.allot(reading, screened, before.left_minor, now, self._settings.reservation_ttl)
        draft = draft_of(product_id, request.amount.currency, reading, allotment, now)
        if draft.rows is not None:
            after = before.take(allotment.taken_minor)
            told = self._told(product_id, before, after, shown_in, request.amount.currency)
            await groups.write(draft.rows, [*draft.facts, *told], self._settings.duplicate_wait_s)
        return draft.results[0]

    async def _read(self, connection: asyncpg.pool.PoolConnectionProxy, request: Request) -> Reading:
        acknowledgement = request.acknowledgement
        card = self._cards[acknowledgement.product_id]
        row = await connection.fetchrow(
            _READ,
            texts([request.customer_id]),
            texts([request.key]),
            numbers([acknowledgement.card_version]),
            card.product_id,
            card.content.currency,
            acknowledgement.broadcast_id,
        )
        facts = await self._broadcasts.read(acknowledgement.broadcast_id)
        shown = (row["shown"], row["shown_version"]) == (card.product_id, card.card_version)
        on_stage = OnStage(row["showing_id"], card, row["shown_at"], row["stream_time_ms"]) if shown else None
        stages = {acknowledgement.broadcast_id: Stage(facts, on_stage)}
        return Reading([request], [buyer_of(row, self._envelopes)], [stored_of(row)], stages)

    def _told(
        self, product_id: str, before: Quota, after: Quota, shown_in: Sequence[str], currency: str
    ) -> list[NewFact]:
        grain = self._settings.quota_granularity_minor
        left_minor = coarse_left_minor(after.left_minor, grain)
        if left_minor == coarse_left_minor(before.left_minor, grain):
            return []
        return [quota_changed(name, product_id, left_minor, after.total_minor, currency) for name in shown_in]
