"""Evidence, its chain and what was exported of it, in Postgres. Does I/O inside the caller's transaction."""

from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

from asyncpg.pool import PoolConnectionProxy

from commerce.evidence import Link
from commerce.evidence_file import ExportedLine

# Advisory locks of this database, held to the transaction's end: one links, one exports, whoever comes first.
_LINKING = (0x65766964, 1)
_EXPORTING = (0x65766964, 2)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A record as it is stored: the canonical bytes, their hash, and what is sealed beside them."""

    evidence_id: str
    order_id: str
    step: int
    outcome: str
    recorded_at: datetime
    retain_until: date
    record: bytes
    record_sha256: bytes
    personal: bytes


class EvidenceStore:
    """Rows are only ever added; the chain is made by one at a time."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def add(self, row: EvidenceRow) -> None:
        """Write a record, and note that it is not in the chain yet."""
        await self._connection.execute(
            "WITH added AS (INSERT INTO sale_evidence (evidence_id, order_id, step, outcome, recorded_at, retain_until,"
            " record, record_sha256, personal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING evidence_id)"
            " INSERT INTO evidence_unlinked SELECT evidence_id FROM added",
            *astuple(row),
        )

    async def take_unlinked(self, limit: int) -> list[tuple[str, bytes]] | None:
        """Take records that are to be linked, oldest first, as (id, hash); None while another process links."""
        if not await self._connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", *_LINKING):
            return None
        rows = await self._connection.fetch(
            "WITH taken AS (DELETE FROM evidence_unlinked WHERE evidence_id IN"
            " (SELECT evidence_id FROM evidence_unlinked ORDER BY evidence_id LIMIT $1) RETURNING evidence_id)"
            " SELECT evidence_id, record_sha256 FROM taken JOIN sale_evidence USING (evidence_id) ORDER BY evidence_id",
            limit,
        )
        return [(row["evidence_id"], row["record_sha256"]) for row in rows]

    async def head(self) -> Link | None:
        """Read the chain's last link."""
        row = await self._connection.fetchrow(
            "SELECT position, day, evidence_id, record_sha256, link_sha256 FROM evidence_links"
            " ORDER BY position DESC LIMIT 1"
        )
        return None if row is None else Link(*row)

    async def add_links(self, links: list[Link], at: datetime) -> None:
        """Write links that follow the head."""
        columns: list[list[Any]] = [list(column) for column in zip(*(astuple(link) for link in links), strict=True)]
        await self._connection.execute(
            "INSERT INTO evidence_links (position, day, evidence_id, record_sha256, link_sha256, linked_at)"
            " SELECT *, $6 FROM unnest($1::bigint[], $2::date[], $3::text[], $4::bytea[], $5::bytea[])",
            *columns, at,
        )  # fmt: skip

    async def begin_export(self) -> bool:
        """Keep the export to oneself until the transaction ends; False while another process has it."""
        return bool(await self._connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", *_EXPORTING))

    async def last_export(self) -> tuple[int, int]:
        """Read number and position of the last exported line; (0, 0) before the first."""
        row = await self._connection.fetchrow(
            "SELECT number, position FROM evidence_exports ORDER BY number DESC LIMIT 1"
        )
        return (0, 0) if row is None else (row["number"], row["position"])

    async def add_export(self, line: ExportedLine) -> None:
        """Note a line that stands in the file."""
        await self._connection.execute(
            "INSERT INTO evidence_exports (number, position, link_sha256, line_sha256, exported_at)"
            " VALUES ($1, $2, $3, $4, $5)",
            line.number, line.position, bytes.fromhex(line.head), line.sha256(), line.at,
        )  # fmt: skip
