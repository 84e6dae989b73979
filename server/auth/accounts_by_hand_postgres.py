"""Accounts made and changed by an operator, with who and why. Talks to Postgres.

A changed password ends the sessions that began with the old one. The restriction written for that reaches every
process the way bans do (`chat.restriction_feed`): until its moment, which is one to two seconds ahead, everything of
the account is refused and sent away, time and again, so that nothing on its way in is missed; after it only what
began before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.customers_postgres import Customers
from commerce.envelopes import Envelopes
from commerce.records import ByHand
from server.auth.accounts_postgres import Account, insert_account
from server.auth.identities import NO_PASSWORD
from server.auth.issuer import masked

_SIGN_OUT = """
INSERT INTO account_restrictions (kind, broadcast_id, account_id, until) VALUES ('signed_out', '', $1, $2)
ON CONFLICT (kind, broadcast_id, account_id) DO UPDATE SET until = excluded.until, changed_at = clock_timestamp()
"""
# Customers of the issuer are not among them; a customer is listed by the nickname, as the name is sealed.
_LIST = """
SELECT login, role, coalesce(nullif(display_name, ''), nickname) AS name, disabled AS closed, employee_no, licence_no,
       licence_expires_on, created_at
FROM accounts WHERE password_hash <> $1 AND ($2::text IS NULL OR role = $2) ORDER BY role, login
"""


@dataclass(frozen=True, slots=True)
class CustomerData:
    """What the sale has to know of a local customer; `manager` is the employee number of who looks after them."""

    birth_date: date
    manager: str | None
    branch: str | None


class ListedAccount(msgspec.Struct, frozen=True):
    """One line of the list of those who sign in here."""

    login: str
    role: str
    name: str
    closed: bool
    employee_no: str | None
    licence_no: str | None
    licence_expires_on: date | None
    created_at: datetime


class AccountsByHand:
    """Everything of an act and its record in one transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(
        self, account: Account, password_hash: str, hand: ByHand, now: datetime,
        customer: tuple[CustomerData, Envelopes] | None = None,
    ) -> bool:  # fmt: skip
        """Make the account, and a customer's record; False, changing nothing, when the login is taken."""
        envelopes = None if customer is None else customer[1]
        try:
            async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                await insert_account(connection, envelopes, account, password_hash)
                if customer is not None:
                    data = customer[0]
                    await Customers(connection, customer[1]).identify(
                        account.account_id, masked(account.display_name), data.birth_date, data.manager, data.branch,
                        None, now,
                    )  # fmt: skip
                await _record(connection, account.account_id, "add", hand, now)
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def change_password(
        self, login: str, password_hash: str, hand: ByHand, clock: Callable[[], datetime]
    ) -> datetime | None:
        """Replace the hash; return the moment before which no session may have begun, None without such an account.

        The issuer's customers have no password here, so they are none.
        """
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            account_id = await connection.fetchval(
                "UPDATE accounts SET password_hash = $2 WHERE login = $1 AND password_hash <> $3 RETURNING account_id",
                login, password_hash, NO_PASSWORD, timeout=5,
            )  # fmt: skip
            if account_id is None:
                return None
            now = clock()  # not before the row is ours: however long that took, the moment is still to come
            sessions_from = datetime.fromtimestamp(int(now.timestamp()) + 2, UTC)  # tokens know whole seconds
            await connection.execute(_SIGN_OUT, account_id, sessions_from, timeout=5)
            await _record(connection, account_id, "password", hand, now)
        return sessions_from

    async def renew_licence(self, login: str, licence_no: str, expires: date, hand: ByHand, now: datetime) -> bool:
        """Put a host's or guest's licence on record; False when there is none of that login."""
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            account_id = await connection.fetchval(
                "UPDATE accounts SET licence_no = $2, licence_expires_on = $3"
                " WHERE login = $1 AND role IN ('host', 'guest') RETURNING account_id",
                login, licence_no, expires, timeout=5,
            )  # fmt: skip
            if account_id is None:
                return False
            await _record(connection, account_id, "licence", hand, now)
        return True

    async def listed(self, role: str | None = None) -> list[ListedAccount]:
        """Everybody who signs in here with a password, by role and login."""
        rows = await self._pool.fetch(_LIST, NO_PASSWORD, role, timeout=30)
        return [ListedAccount(**dict(row)) for row in rows]


async def _record(connection: PoolConnectionProxy, account_id: str, act: str, hand: ByHand, now: datetime) -> None:
    await connection.execute(
        "INSERT INTO account_acts (account_id, act, actor, reason, at) VALUES ($1, $2, $3, $4, $5)",
        account_id, act, hand.actor, hand.reason, now, timeout=5,
    )  # fmt: skip
