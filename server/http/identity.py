"""Proving again who one is, before an order is submitted: the password for a short-lived proof."""

import time

import msgspec
from aiohttp import web

from server.auth.accounts_postgres import AccountStore
from server.auth.permissions import require
from server.auth.proofs import Proofs
from server.http.body import json_response, read_json
from server.http.errors import ApiError
from server.http.password_door import PasswordDoor


class Password(msgspec.Struct, forbid_unknown_fields=True):
    """What a signed-in person types again."""

    password: str


class IdentityProof(msgspec.Struct):
    """What an order is submitted with where a deployment asks who submits it."""

    identity_proof: str


def routes(accounts: AccountStore, passwords: PasswordDoor, proofs: Proofs) -> list[web.RouteDef]:
    """The route /api/v1/identity-proofs."""

    async def prove(request: web.Request) -> web.Response:
        who = require(request, "order.submit")
        given = await read_json(request, Password)
        account = await accounts.by_id(who.account_id)
        found = None if account is None else await accounts.by_login(account.login)
        login = who.account_id if account is None else account.login
        matches = await passwords.matches(request, login, found[1] if found else None, given.password[:1_001])
        if not matches or len(given.password) > 1_000:
            raise ApiError(403, "bad_credentials", "the password is wrong")
        return json_response(IdentityProof(proofs.issue(who.account_id, now_s=int(time.time()))), status=201)

    return [web.post("/api/v1/identity-proofs", prove)]
