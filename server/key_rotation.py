"""`./run rotate-keys`: seals again, under the first key, what an older key sealed or nothing did. Does I/O.

It works in small transactions beside the running program and may be stopped and repeated at any time. Once it says that
nothing was left, the older keys can go from DATA_KEYS.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from commerce.assessments_postgres import seal_answers
from commerce.customers_postgres import customer_of, reseal
from commerce.envelopes import EnvelopeError, Envelopes
from commerce.errors import RecordUnreadable
from server.auth.accounts_postgres import seal_name
from server.settings import Settings

_BATCH = 500
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A column of envelopes, and how the version before stored the same in plain columns."""

    table: str
    row_id: str
    column: str
    plain: str  # the condition under which a row is not sealed yet, or not whole; "false" where that never was
    emptied: str  # what is written to the plain columns when a row is sealed
    seal: Callable[[Envelopes, Any], bytes] | None  # makes the value of such a row


_COLUMNS = (
    _Sealed(
        "customers", "customer_id", "personal", "personal IS NULL OR declared_means_minor IS NOT NULL",
        ", masked_name = NULL, birth_date = NULL, declared_means_minor = NULL, means_currency = NULL",
        lambda envelopes, row: reseal(envelopes, customer_of(row, envelopes)),
    ),
    _Sealed(
        "accounts", "account_id", "sealed_name", "role = 'viewer' AND sealed_name IS NULL", ", display_name = ''",
        lambda envelopes, row: seal_name(envelopes, row["account_id"], row["display_name"]),
    ),
    _Sealed(
        "assessments", "assessment_id", "sealed_answers", "sealed_answers IS NULL", ", answers = '{}'",
        lambda envelopes, row: seal_answers(envelopes, row["assessment_id"], row["answers"].encode()),
    ),
    _Sealed("sale_evidence", "evidence_id", "personal", "false", "", None),
)  # fmt: skip


async def rotate_keys(pool: asyncpg.Pool, envelopes: Envelopes, *, batch: int = _BATCH) -> dict[str, int]:
    """Bring every sealed column under the first key; returns how many values were sealed anew, by column.

    Raises EnvelopeError or RecordUnreadable, with what was done until then kept, when a key is not among those given.
    """
    done = {}
    for sealed in _COLUMNS:
        after, name = "", f"{sealed.table}.{sealed.column}"
        done[name] = 0
        while True:
            async with pool.acquire(timeout=_TIMEOUT_S) as connection, connection.transaction():
                rows = await _due(connection, sealed, envelopes, after, batch)
                if not rows:
                    break
                await _seal(connection, sealed, envelopes, rows)
            done[name] += len(rows)
            after = rows[-1][sealed.row_id]
    return done


async def _due(connection: Any, sealed: _Sealed, envelopes: Envelopes, after: str, batch: int) -> list[Any]:
    header = envelopes.first_header
    rows: list[Any] = await connection.fetch(
        f"SELECT *, {sealed.plain} AS in_plain FROM {sealed.table} WHERE {sealed.row_id} > $1"
        f" AND ({sealed.plain} OR substring({sealed.column} FOR $2::integer) <> $3)"
        f" ORDER BY {sealed.row_id} LIMIT $4 FOR UPDATE",
        after, len(header), header, batch, timeout=_TIMEOUT_S,
    )  # fmt: skip
    return rows


async def _seal(connection: Any, sealed: _Sealed, envelopes: Envelopes, rows: list[Any]) -> None:
    values = []
    for row in rows:
        if row["in_plain"]:
            assert sealed.seal is not None, "only such a column has rows in plain"
            values.append(sealed.seal(envelopes, row))
            continue
        context = f"{sealed.table}.{sealed.column} {row[sealed.row_id]}"
        values.append(envelopes.seal(envelopes.open(row[sealed.column], context), context))
    await connection.execute(
        f"UPDATE {sealed.table} t SET {sealed.column} = n.value{sealed.emptied}"
        f" FROM unnest($1::text[], $2::bytea[]) n(row_id, value) WHERE t.{sealed.row_id} = n.row_id",
        [row[sealed.row_id] for row in rows], values, timeout=_TIMEOUT_S,
    )  # fmt: skip


def rotate_data_keys(settings: Settings) -> bool:
    """Run it as the command does and print what was done; False when a key is missing."""

    async def run() -> dict[str, int]:
        url = settings.database_url.get_secret_value()
        pool = await asyncpg.create_pool(url, min_size=1, max_size=1, timeout=_TIMEOUT_S)
        try:
            return await rotate_keys(pool, settings.envelopes())
        finally:
            await pool.close()

    try:
        done = asyncio.run(run())
    except (EnvelopeError, RecordUnreadable) as error:
        print(f"rotate-keys: {error}", file=sys.stderr)
        return False
    for column, count in done.items():
        print(f"{column}\t{count} sealed anew")
    return True
