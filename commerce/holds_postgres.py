"""What the embedded core was asked for, in Postgres. Does I/O inside the caller's transaction."""

from datetime import datetime

from asyncpg.pool import PoolConnectionProxy

from commerce.core import Hold, HoldState


class Holds:
    """One row a reference."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def add(self, hold: Hold, state: HoldState, at: datetime) -> bool:
        """Write down a new reference; False when it is known. Waits for another who is writing the same one."""
        added = await self._connection.fetchval(
            "INSERT INTO core_holds (reference_id, customer_id, amount_minor, currency, state, at, updated_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING RETURNING reference_id",
            hold.reference_id, hold.customer_id, hold.amount.amount_minor, hold.amount.currency, state.value, at,
        )  # fmt: skip
        return added is not None

    async def lock(self, reference_id: str) -> HoldState:
        """Read a reference's state, kept until the transaction ends."""
        state = await self._connection.fetchval(
            "SELECT state FROM core_holds WHERE reference_id = $1 FOR UPDATE", reference_id
        )
        return HoldState.NOT_KNOWN if state is None else HoldState(state)

    async def move(self, reference_id: str, state: HoldState, at: datetime) -> None:
        await self._connection.execute(
            "UPDATE core_holds SET state = $2, updated_at = $3 WHERE reference_id = $1", reference_id, state.value, at
        )
