"""Accounts of customers and staff in Postgres."""

from dataclasses import dataclass
from datetime import date

import asyncpg


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

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def by_login(self, login: str) -> tuple[Account, str] | None:
        """Return the account and its password hash."""
        sql = f"SELECT {_COLUMNS}, password_hash FROM accounts WHERE login = $1 AND NOT disabled"
        row = await self._pool.fetchrow(sql, login, timeout=5)
        return (_account(row), row["password_hash"]) if row else None

    async def by_id(self, account_id: str) -> Account | None:
        """Return the account."""
        sql = f"SELECT {_COLUMNS} FROM accounts WHERE account_id = $1 AND NOT disabled"
        row = await self._pool.fetchrow(sql, account_id, timeout=5)
        return _account(row) if row else None

    async def put(self, account: Account, password_hash: str) -> None:
        """Create the account, or leave an existing one as it is."""
        await self._pool.execute(
            f"INSERT INTO accounts ({_COLUMNS}, password_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
            "ON CONFLICT (account_id) DO NOTHING",
            account.account_id,
            account.login,
            account.role,
            account.display_name,
            account.nickname,
            account.employee_no,
            account.licence_no,
            account.licence_expires_on,
            password_hash,
            timeout=5,
        )


def _account(row: asyncpg.Record) -> Account:
    return Account(**{name: row[name] for name in _COLUMNS.split(", ")})
