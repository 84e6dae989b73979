"""Whom a bearer token names, whoever issued it: ours, or the bank's own issuer where one is set."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from commerce.errors import RecordUnreadable
from commerce.records import CustomerRecords
from server.auth.accounts_postgres import Account, AccountStore
from server.auth.issuer import BankCustomer, IssuerRules, key_id, masked, read_token
from server.auth.issuer_keys_http import IssuerKeys
from server.auth.principal import Principal
from server.auth.session_ends_postgres import SessionEnds
from server.auth.tokens import TokenError, Tokens

_REMEMBERED = 10_000  # customers whose records need not be looked at again; the oldest are forgotten
NO_PASSWORD = "!"  # no hash: nobody signs in with it
log = structlog.get_logger("identities")


class Identities(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str, *, now_s: float) -> Principal:
        """Return whom it names; raises TokenError, IssuerUnavailable when that cannot be said now."""


class LocalIdentities:
    """Only our own tokens."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def verify(self, token: str, *, now_s: float) -> Principal:
        return self._tokens.verify(token, now_s=now_s)


class CurrentIdentities:
    """Refuses sessions of ours that were ended: those that began before what `sessions_from` says of the account."""

    def __init__(self, inner: Identities, sessions_from: Callable[[str], float]) -> None:
        self._inner = inner
        self._sessions_from = sessions_from

    async def verify(self, token: str, *, now_s: float) -> Principal:
        who = await self._inner.verify(token, now_s=now_s)
        if not who.of_bank and who.signed_in_at_s < self._sessions_from(who.account_id):
            raise TokenError("bad_token")
        return who


class BankRecords:
    """Makes an account of a customer at first sight, and keeps the sale's record of them as the issuer says."""

    def __init__(self, accounts: AccountStore, customers: CustomerRecords, ends: SessionEnds) -> None:
        self._accounts = accounts
        self._customers = customers
        self._ends = ends

    async def keep(self, customer: BankCustomer) -> None:
        """Write what is new; doing so twice changes nothing."""
        account_id = customer.account_id
        account = Account(account_id, account_id, "viewer", customer.name or customer.nickname, customer.nickname)
        await self._accounts.put(account, NO_PASSWORD)
        if customer.verified and customer.birth_date is not None:
            try:
                await self._customers.identify(
                    account_id, masked(customer.name), customer.birth_date,
                    relationship_manager_id=customer.relationship_manager_id, branch=customer.branch,
                    declared_means=customer.declared_means,
                )  # fmt: skip
            except RecordUnreadable:  # it stays as it is, for when its key is back; they may watch and talk meanwhile
                log.warning("record_not_renewed", account_id=account_id)
        await self._ends.note(account_id, None, customer.expires_at_s)


class BankIdentities:
    """Our own tokens and those of one issuer."""

    def __init__(self, tokens: Tokens, rules: IssuerRules, keys: IssuerKeys, records: BankRecords) -> None:
        self._tokens = tokens
        self._rules = rules
        self._keys = keys
        self._records = records
        self._kept: OrderedDict[str, BankCustomer] = OrderedDict()

    async def verify(self, token: str, *, now_s: float) -> Principal:
        kid = key_id(token)
        if kid is None:
            return self._tokens.verify(token, now_s=now_s)
        key = await self._keys.of(kid)
        if key is None:
            raise TokenError("bad_token")
        customer = read_token(token, key, self._rules, now_s)
        if self._kept.get(customer.account_id) != customer:
            await self._records.keep(customer)
            self._kept[customer.account_id] = customer
            self._kept.move_to_end(customer.account_id)
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        proved = customer.authenticated_at_s
        return Principal(
            customer.account_id, "viewer", customer.nickname, customer.expires_at_s,
            of_bank=True, verified=customer.verified,
            authenticated_at=None if proved is None else datetime.fromtimestamp(proved, UTC),
        )  # fmt: skip
