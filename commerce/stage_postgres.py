"""Which card is on stage in which broadcast, in Postgres. Does I/O inside the caller's transaction."""

from datetime import datetime

from asyncpg.pool import PoolConnectionProxy

from commerce.catalogue_postgres import CARD_COLUMNS, card_of
from commerce.purchase import OnStage

STAGE_LOCK_SPACE = 0x57434153  # keeps these advisory locks apart from other users of the database


class Showings:
    """The stage of each broadcast: at most one open showing, kept by a unique index.

    Buying and tipping hold a broadcast's stage shared, featuring and pulling hold it alone: an order is either
    before a pull or hears of it, never in between. Postgres queues these locks fairly, so a pull waits for the
    orders under way and for no later one.
    """

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def hold_shared(self, broadcast_id: str) -> None:
        """Keep the stage as it is until the transaction ends."""
        await self._connection.execute(
            "SELECT pg_advisory_xact_lock_shared($1, hashtext($2))", STAGE_LOCK_SPACE, broadcast_id
        )

    async def hold_alone(self, broadcast_ids: list[str]) -> None:
        """Become the only one on these stages until the transaction ends; in sorted order against deadlocks."""
        for broadcast_id in sorted(broadcast_ids):
            await self._connection.execute(
                "SELECT pg_advisory_xact_lock($1, hashtext($2))", STAGE_LOCK_SPACE, broadcast_id
            )

    async def open_on(self, broadcast_id: str) -> OnStage | None:
        """The open showing of a broadcast, with its card."""
        row = await self._connection.fetchrow(
            f"SELECT s.showing_id, s.shown_at, s.stream_time_ms, {CARD_COLUMNS} FROM showings s"
            " JOIN card_versions c USING (product_id, card_version)"
            " WHERE s.broadcast_id = $1 AND s.pulled_at IS NULL",
            broadcast_id,
        )
        if row is None:
            return None
        return OnStage(row["showing_id"], card_of(row), row["shown_at"], row["stream_time_ms"])

    async def last_pull_reason(self, broadcast_id: str) -> str | None:
        """Why the last showing ended; None while it is open, and where nothing was ever shown."""
        reason: str | None = await self._connection.fetchval(
            "SELECT pull_reason FROM showings WHERE broadcast_id = $1 ORDER BY pulled_at DESC NULLS FIRST LIMIT 1",
            broadcast_id,
        )
        return reason

    async def broadcasts_showing(self, product_id: str) -> list[str]:
        rows = await self._connection.fetch(
            "SELECT broadcast_id FROM showings WHERE product_id = $1 AND pulled_at IS NULL ORDER BY 1", product_id
        )
        return [row["broadcast_id"] for row in rows]

    async def occupied(self) -> list[str]:
        """The broadcasts that show a card now."""
        rows = await self._connection.fetch("SELECT broadcast_id FROM showings WHERE pulled_at IS NULL ORDER BY 1")
        return [row["broadcast_id"] for row in rows]

    async def open(self, broadcast_id: str, on_stage: OnStage, actor_id: str) -> None:
        """Write down that this card is shown now; nothing else may be open there."""
        await self._connection.execute(
            "INSERT INTO showings (showing_id, broadcast_id, product_id, card_version, disclosure_sha256, shown_by,"
            " shown_at, stream_time_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            on_stage.showing_id, broadcast_id, on_stage.card.product_id, on_stage.card.card_version,
            on_stage.card.disclosure_sha256, actor_id, on_stage.shown_at, on_stage.stream_time_ms,
        )  # fmt: skip

    async def close(
        self, broadcast_id: str, actor_id: str, reason: str, stream_time_ms: int | None, at: datetime
    ) -> str | None:
        """Take the card off this stage; returns its product_id, or None when the stage was empty."""
        product_id: str | None = await self._connection.fetchval(
            "UPDATE showings SET pulled_by = $2, pull_reason = $3, pulled_stream_time_ms = $4, pulled_at = $5"
            " WHERE broadcast_id = $1 AND pulled_at IS NULL RETURNING product_id",
            broadcast_id, actor_id, reason, stream_time_ms, at,
        )  # fmt: skip
        return product_id
