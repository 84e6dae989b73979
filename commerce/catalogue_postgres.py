"""Products, card versions and documents in Postgres. Does I/O inside the caller's transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.product import (
    Benchmark,
    CardContent,
    CardDocument,
    CardVersion,
    Fee,
    Product,
    ProductState,
    rating_level,
    sha256_hex,
)
from commerce.rows import from_json, to_json

# Columns of card_versions that carry over to CardContent by name, without change.
_PLAIN = (
    "name", "issuer", "seller_role", "product_type", "publicly_offered", "currency", "term_days", "nav",
    "past_performance_shown", "subscription_fee_bps", "minimum_minor", "increment_minor", "customer_maximum_minor",
    "window_opens_at", "window_closes_at", "settlement", "quota_total_minor", "disclosure_text",
)  # fmt: skip
CARD_COLUMNS = ", ".join(f"c.{name}" for name in _PLAIN) + (
    ", c.product_id, c.card_version, c.issuer_rating, c.seller_rating, c.disclosure_sha256"
    ", c.benchmark::text AS benchmark, c.fees::text AS fees"
    ", (SELECT jsonb_agg(jsonb_build_object('document_id', d.document_id, 'title', d.title, 'sha256', d.sha256)"
    " ORDER BY cd.position) FROM card_documents cd JOIN documents d USING (document_id)"
    " WHERE cd.product_id = c.product_id AND cd.card_version = c.card_version)::text AS documents"
)


class Document(msgspec.Struct, frozen=True):
    """A stored sales document; `sha256` is of the text's UTF-8 bytes."""

    document_id: str
    title: str
    text: str
    sha256: str


class Catalogue:
    """Reads and writes the catalogue."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def product(self, product_id: str, lock: str = "") -> Product | None:
        """Read one product; `lock` is empty, `FOR UPDATE` or `FOR SHARE`."""
        row = await self._connection.fetchrow(f"SELECT * FROM products WHERE product_id = $1 {lock}", product_id)
        return None if row is None else _product(row)

    async def products(self, on_sale_only: bool, after: str, limit: int) -> list[Product]:
        """List by id, from after the given one."""
        rows = await self._connection.fetch(
            "SELECT * FROM products WHERE product_id > $1 AND (approved_version IS NOT NULL OR NOT $2)"
            " ORDER BY product_id LIMIT $3",
            after, on_sale_only, limit,
        )  # fmt: skip
        return [_product(row) for row in rows]

    async def named(self, product_ids: Collection[str], *, on_sale_only: bool) -> list[Product]:
        """Read these products, by id; what does not exist is left out."""
        rows = await self._connection.fetch(
            "SELECT * FROM products WHERE product_id = ANY($1) AND (approved_version IS NOT NULL OR NOT $2)"
            " ORDER BY product_id",
            list(product_ids), on_sale_only,
        )  # fmt: skip
        return [_product(row) for row in rows]

    async def save_product(self, product: Product, checker_id: str | None, at: datetime) -> None:
        """Insert or update the product's row."""
        await self._connection.execute(
            "INSERT INTO products (product_id, state, latest_version, approved_version, maker_id, checker_id,"
            " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
            " ON CONFLICT (product_id) DO UPDATE SET state = $2, latest_version = $3, approved_version = $4,"
            " maker_id = $5, checker_id = $6, updated_at = $7",
            product.product_id, product.state.value, product.latest_version, product.approved_version,
            product.maker_id, checker_id, at,
        )  # fmt: skip

    async def record_move(self, product: Product, move: str, actor_id: str, at: datetime) -> None:
        await self._connection.execute(
            "INSERT INTO product_history (product_id, card_version, move, to_state, actor_id, at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            product.product_id, product.latest_version, move, product.state.value, actor_id, at,
        )  # fmt: skip

    async def card(self, product_id: str, card_version: int) -> CardVersion | None:
        row = await self._connection.fetchrow(
            f"SELECT {CARD_COLUMNS} FROM card_versions c WHERE c.product_id = $1 AND c.card_version = $2",
            product_id, card_version,
        )  # fmt: skip
        return None if row is None else card_of(row)

    async def add_card(
        self, product_id: str, card_version: int, content: CardContent, maker_id: str, at: datetime
    ) -> None:
        """Insert a card version without its documents."""
        names = (*_PLAIN, "issuer_rating", "seller_rating", "disclosure_sha256", "benchmark", "fees", "product_id",
                 "card_version", "maker_id", "created_at")  # fmt: skip
        values = [getattr(content, name) for name in _PLAIN]
        values += [rating_level(content.issuer_rating), rating_level(content.seller_rating)]
        values += [sha256_hex(content.disclosure_text)]
        values += [None if content.benchmark is None else to_json(content.benchmark), to_json(content.fees)]
        values += [product_id, card_version, maker_id, at]
        casts = {"benchmark": "::text::jsonb", "fees": "::text::jsonb"}
        marks = ", ".join(f"${n}{casts.get(name, '')}" for n, name in enumerate(names, 1))
        await self._connection.execute(f"INSERT INTO card_versions ({', '.join(names)}) VALUES ({marks})", *values)

    async def add_document(self, document: Document, at: datetime) -> None:
        await self._connection.execute(
            "INSERT INTO documents (document_id, title, body, sha256, created_at) VALUES ($1, $2, $3, $4, $5)",
            document.document_id, document.title, document.text, document.sha256, at,
        )  # fmt: skip

    async def put_on_card(self, product_id: str, card_version: int, document_ids: list[str]) -> None:
        """Name a new card version's documents, in their order."""
        rows = [(product_id, card_version, n, document_id) for n, document_id in enumerate(document_ids)]
        await self._connection.executemany("INSERT INTO card_documents VALUES ($1, $2, $3, $4)", rows)

    async def document(self, document_id: str, approved_only: bool) -> Document | None:
        """Read a document; `approved_only` hides those that stood on no approved card."""
        row = await self._connection.fetchrow(
            "SELECT document_id, title, body, sha256 FROM documents d WHERE document_id = $1 AND (NOT $2 OR EXISTS ("
            " SELECT 1 FROM card_documents cd JOIN product_history h USING (product_id, card_version)"
            " WHERE cd.document_id = d.document_id AND h.move = 'approve'))",
            document_id, approved_only,
        )  # fmt: skip
        return None if row is None else Document(*row)


def card_of(row: Any) -> CardVersion:
    """Build a card version from a row of `CARD_COLUMNS`."""
    content = CardContent(
        **{name: row[name] for name in _PLAIN},
        issuer_rating=f"R{row['issuer_rating']}",  # type: ignore[arg-type]  # the column's CHECK says 1–5
        seller_rating=f"R{row['seller_rating']}",  # type: ignore[arg-type]
        benchmark=from_json(row["benchmark"], Benchmark),
        fees=from_json(row["fees"], tuple[Fee, ...]) or (),
        documents=(),
    )
    documents = from_json(row["documents"], tuple[CardDocument, ...]) or ()
    return CardVersion(row["product_id"], row["card_version"], content, documents, row["disclosure_sha256"])


def _product(row: Any) -> Product:
    return Product(
        row["product_id"],
        ProductState(row["state"]),
        row["latest_version"],
        row["approved_version"],
        row["maker_id"],
    )
