"""Signing in, and who I am."""

import time
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from server.auth.account_rules import LONGEST_PASSWORD
from server.auth.accounts_postgres import Account, AccountStore
from server.auth.permissions import PRINCIPAL, require
from server.auth.session_ends_postgres import SessionEnds
from server.auth.tokens import Tokens
from server.http.body import json_response, read_json
from server.http.errors import ApiError
from server.http.password_door import PasswordDoor


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """What a person types to sign in."""

    login: str
    password: str


class AccountView(msgspec.Struct):
    """An account as its owner sees it."""

    account_id: str
    role: str
    display_name: str
    nickname: str


class SessionView(msgspec.Struct):
    """A fresh session; the token goes in `Authorization: Bearer`."""

    token: str
    expires_at: datetime
    account: AccountView


def routes(accounts: AccountStore, passwords: PasswordDoor, tokens: Tokens, ends: SessionEnds) -> list[web.RouteDef]:
    """Routes under /api/v1/sessions and /api/v1/me."""

    async def sign_in(request: web.Request) -> web.Response:
        given = await read_json(request, Credentials)
        if len(given.login) > 200 or len(given.password) > LONGEST_PASSWORD or "\x00" in given.login:
            raise ApiError(401, "bad_credentials", "login or password is wrong")
        started_s = int(time.time())  # before the password is read: one changed meanwhile ends this session too
        found = await accounts.by_login(given.login)
        matches = await passwords.matches(request, given.login, found[1] if found else None, given.password)
        if found is None or not matches:
            raise ApiError(401, "bad_credentials", "login or password is wrong")
        return await give(found[0], started_s)

    async def refresh(request: web.Request) -> web.Response:
        if require(request, "account.read").of_bank:
            raise ApiError(403, "forbidden", "this session is the bank's: renew it where it was given")
        # A token limited to one broadcast stays so: refreshing must never widen a right.
        who = request[PRINCIPAL]
        return await give(await _account(request), who.signed_in_at_s, who.broadcast_id)

    async def give(account: Account, signed_in_at_s: int, broadcast_id: str | None = None) -> web.Response:
        token, expires_at_s = tokens.issue(
            account.account_id, account.role, account.nickname,
            now_s=int(time.time()), broadcast_id=broadcast_id, signed_in_at_s=signed_in_at_s,
        )  # fmt: skip
        await ends.note(account.account_id, broadcast_id, expires_at_s)
        view = SessionView(token, datetime.fromtimestamp(expires_at_s, UTC), _view(account))
        return json_response(view, status=201)

    async def me(request: web.Request) -> web.Response:
        return json_response(_view(await _account(request)))

    async def _account(request: web.Request) -> Account:
        principal = require(request, "account.read")
        account = await accounts.by_id(principal.account_id)
        if account is None:
            raise ApiError(401, "bad_token", "this account is closed")
        return account

    return [
        web.post("/api/v1/sessions", sign_in),
        web.post("/api/v1/sessions/refresh", refresh),
        web.get("/api/v1/me", me),
    ]


def _view(account: Account) -> AccountView:
    return AccountView(account.account_id, account.role, account.display_name, account.nickname)
