"""The double-entry ledger in Postgres. Does I/O inside the caller's transaction.

Balances are moved by a trigger on each entry, and a deferred trigger checks that every transfer sums to zero.
"""

from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from commerce.ledger import LedgerAccount, Transfer


class Overdrawn(Exception):
    """An account cannot give what it does not have; the transaction is lost and must be undone."""


class Ledger:
    """Posts transfers and reads balances."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def post(self, transfer: Transfer, at: datetime) -> bool:
        """Write a transfer with its entries; False when this transfer_id is posted already.

        Raises Overdrawn when the source has less than the amount.
        """
        posted = await self._connection.fetchrow(
            "INSERT INTO ledger_transfers (transfer_id, kind, reference_id, at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING RETURNING transfer_id",
            transfer.transfer_id, transfer.kind, transfer.reference_id, at,
        )  # fmt: skip
        if posted is None:
            return False
        entries = transfer.entries()
        await self._open([account for account, _ in entries])
        try:
            await self._connection.execute(
                "INSERT INTO ledger_entries (transfer_id, ledger_account_id, amount)"
                " VALUES ($1, $2, $3), ($1, $4, $5)",
                transfer.transfer_id, entries[0][0].ledger_account_id, entries[0][1],
                entries[1][0].ledger_account_id, entries[1][1],
            )  # fmt: skip
        except asyncpg.CheckViolationError as error:
            if error.constraint_name == "ledger_never_overdrawn":
                raise Overdrawn(transfer.source.ledger_account_id) from None
            raise
        return True

    async def _open(self, accounts: list[LedgerAccount]) -> None:
        rows = [(a.ledger_account_id, a.owner_id, a.kind, a.unit) for a in accounts]
        await self._connection.executemany(
            "INSERT INTO ledger_accounts (ledger_account_id, owner_id, kind, unit) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING",
            rows,
        )

    async def balance(self, account: LedgerAccount) -> int:
        """What the account holds, in minor units or points; 0 when it was never opened."""
        balance: int | None = await self._connection.fetchval(
            "SELECT balance FROM ledger_accounts WHERE ledger_account_id = $1", account.ledger_account_id
        )
        return balance or 0
