"""Signing in: right, wrong, too many, and who I am."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.auth.accounts_postgres import AccountStore
from server.auth.identities import LocalIdentities
from server.auth.passwords import Passwords, PasswordsBusy
from server.auth.session_ends_postgres import SessionEnds
from server.http import sessions
from server.http.application import build
from tests.commerce.bank import ENVELOPES
from tests.server.people import HASHER, TOKENS, seed_people, session

Client = TestClient[Any, Any]


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[Client]:
    await seed_people(pool)
    passwords = Passwords(hasher=HASHER, threads=1, queue=4)
    app = build(
        sessions.routes(AccountStore(pool, ENVELOPES), passwords, TOKENS, SessionEnds(pool)),
        LocalIdentities(TOKENS),
        (),
    )
    async with TestClient(TestServer(app)) as client:
        yield client
    passwords.close()


async def sign_in(client: Client, login: Any, password: Any) -> tuple[int, Any, str | None]:
    async with client.post("/api/v1/sessions", json={"login": login, "password": password}) as response:
        return response.status, await response.json(content_type=None), response.headers.get("Retry-After")


async def test_the_right_password_gives_a_token_that_says_who_i_am(client: Client) -> None:
    status, body, _ = await sign_in(client, "viewer", "viewer")
    assert status == 201
    assert body["account"]["role"] == "viewer"
    headers = {"Authorization": f"Bearer {body['token']}"}
    async with client.get("/api/v1/me", headers=headers) as response:
        assert (await response.json())["account_id"] == "ac_viewer"
    async with client.post("/api/v1/sessions/refresh", headers=headers) as response:
        assert response.status == 201


async def test_refreshing_never_widens_a_token_that_is_limited_to_one_broadcast(client: Client) -> None:
    limited = session("viewer", broadcast_id="bc_only")
    async with client.post("/api/v1/sessions/refresh", headers=limited) as response:
        token = (await response.json())["token"]
    assert TOKENS.verify(token, now_s=0).broadcast_id == "bc_only"


@pytest.mark.parametrize(
    ("login", "password"),
    [("viewer", "wrong"), ("nobody", "viewer"), ("", ""), ("a\x00b", "x"), ("x" * 5000, "x"), ("viewer", "x" * 5000)],
)
async def test_wrong_logins_are_all_refused_alike(client: Client, login: str, password: str) -> None:
    status, body, _ = await sign_in(client, login, password)
    assert (status, body["code"]) == (401, "bad_credentials")


async def test_a_login_that_is_no_text_is_refused(client: Client) -> None:
    status, body, _ = await sign_in(client, 7, None)
    assert (status, body["code"]) == (422, "bad_field")


async def test_a_closed_account_is_nobody(client: Client, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE accounts SET disabled = true WHERE login = 'viewer'")
    assert (await sign_in(client, "viewer", "viewer"))[0] == 401
    async with client.get("/api/v1/me", headers=session("viewer")) as response:
        assert response.status == 401


async def test_too_many_log_ins_at_once_are_told_to_return(client: Client) -> None:
    answers = await asyncio.gather(*(sign_in(client, "viewer", "viewer") for _ in range(40)))
    refused = [answer for answer in answers if answer[0] == 503]
    assert {status for status, _, _ in answers} == {201, 503}
    assert all(body["code"] == "busy" and int(wait or 0) >= 1 for _, body, wait in refused)
    assert (await sign_in(client, "viewer", "viewer"))[0] == 201


async def test_the_password_queue_is_bounded() -> None:
    passwords = Passwords(hasher=HASHER, threads=1, queue=2)
    first = [asyncio.create_task(passwords.verify(None, "x")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy):
        await passwords.verify(None, "x")
    assert await asyncio.gather(*first) == [False, False]
    passwords.close()
