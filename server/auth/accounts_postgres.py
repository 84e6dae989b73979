"""Accounts of customers and staff in Postgres."""

from dataclasses import dataclass, replace
from datetime import date

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from commerce.envelopes import EnvelopeError, Envelopes

log = structlog.get_logger("accounts")


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can sign in; staff carry their register data, customers do not."""

    account_id: str
    login: str
    role: str
    display_name: str
    nickname: str
    employee_no: str | None = None
    licence_no: str | None = None
    licence_expires_on: date | None = None


_COLUMNS = "account_id, login, role, display_name, nickname, employee_no, licence_no, licence_expires_on"


class AccountStore:
    """Reads and writes accounts; a disabled account is as if it did not exist."""

    def __init__(self, pool: asyncpg.Pool, envelopes: Envelopes) -> None:
        self._pool = pool
        self._envelopes = envelopes

    async def by_login(self, login: str) -> tuple[Account, str] | None:
        """Return the account and its password hash."""
        sql = f"SELECT {_COLUMNS}, sealed_name, password_hash FROM accounts WHERE login = $1 AND NOT disabled"
        row = await self._pool.fetchrow(sql, login, timeout=5)
        return (self._account(row), row["password_hash"]) if row else None

    async def by_id(self, account_id: str) -> Account | None:
        """Return the account."""
        sql = f"SELECT {_COLUMNS}, sealed_name FROM accounts WHERE account_id = $1 AND NOT disabled"
        row = await self._pool.fetchrow(sql, account_id, timeout=5)
        return self._account(row) if row else None

    async def put(self, account: Account, password_hash: str) -> None:
        """Create the account, or leave an existing one as it is."""
        await insert_account(self._pool, self._envelopes, account, password_hash, "ON CONFLICT (account_id) DO NOTHING")

    def _account(self, row: asyncpg.Record) -> Account:
        account = Account(**{name: row[name] for name in _COLUMNS.split(", ")})
        if row["sealed_name"] is None:
            return account
        try:
            name = self._envelopes.open(row["sealed_name"], _context(account.account_id)).decode()
        except EnvelopeError:  # they are known by their nickname to everybody else, and may sign in
            log.error("sealed_name_does_not_open", account_id=account.account_id)
            name = account.nickname
        return replace(account, display_name=name)


async def insert_account(
    connection: asyncpg.Pool | PoolConnectionProxy, envelopes: Envelopes | None, account: Account, password_hash: str,
    on_conflict: str = "",
) -> None:  # fmt: skip
    """Create the account; only customers need envelopes. Raises asyncpg.UniqueViolationError for a login taken."""
    sealed = None
    if account.role == "viewer":
        assert envelopes is not None, "a customer's name is sealed"
        sealed = seal_name(envelopes, account.account_id, account.display_name)
    await connection.execute(
        f"INSERT INTO accounts ({_COLUMNS}, password_hash, sealed_name)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) {on_conflict}",
        account.account_id,
        account.login,
        account.role,
        "" if sealed is not None else account.display_name,
        account.nickname,
        account.employee_no,
        account.licence_no,
        account.licence_expires_on,
        password_hash,
        sealed,
        timeout=5,
    )


def seal_name(envelopes: Envelopes, account_id: str, name: str) -> bytes:
    """Make the value of `accounts.sealed_name`: a customer's name, which only its owner is shown."""
    return envelopes.seal(name.encode(), _context(account_id))


def _context(account_id: str) -> str:
    return f"accounts.sealed_name {account_id}"
