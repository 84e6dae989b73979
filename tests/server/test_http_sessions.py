"""Signing in: right, wrong, too many, and who I am."""

import asyncio
import threading
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from chat.rate_limit import Rate
from server.auth.accounts_postgres import AccountStore
from server.auth.identities import LocalIdentities
from server.auth.password_attempts import AttemptLimits, PasswordAttempts
from server.auth.passwords import Passwords, PasswordsBusy
from server.auth.session_ends_postgres import SessionEnds
from server.http import sessions
from server.http.application import build
from server.http.password_door import PasswordDoor
from tests.commerce.bank import ENVELOPES
from tests.server.people import HASHER, TOKENS, seed_people, session

Client = TestClient[Any, Any]
PATIENCE_S = 30.0


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[Client]:
    await seed_people(pool)
    passwords = Passwords(hasher=HASHER, threads=1, queue=4)
    door = PasswordDoor(passwords, trusted_proxies=(ip_network("127.0.0.0/8"),))
    app = build(
        sessions.routes(AccountStore(pool, ENVELOPES), door, TOKENS, SessionEnds(pool)),
        LocalIdentities(TOKENS),
        (),
    )
    async with TestClient(TestServer(app)) as client:
        yield client
    passwords.close()


async def sign_in(client: Client, login: Any, password: Any, address: str = "") -> tuple[int, Any, str | None]:
    given, headers = {"login": login, "password": password}, {"X-Forwarded-For": address} if address else {}
    async with client.post("/api/v1/sessions", json=given, headers=headers) as response:
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


async def test_who_guesses_is_told_to_wait_and_the_owner_comes_in_from_where_they_came_before(client: Client) -> None:
    guesser, home, sofa = "203.0.113.9", "198.51.100.1", "2001:db8::1"
    assert (await sign_in(client, "viewer", "viewer", home))[0] == 201
    for _ in range(10):
        assert (await sign_in(client, "viewer", "guess", guesser))[0] == 401
    status, body, wait = await sign_in(client, "viewer", "viewer", guesser)
    assert (status, body["code"], 1 <= int(wait or 0) <= 30) == (429, "too_many_attempts", True)
    assert (await sign_in(client, "viewer2", "viewer2", guesser))[0] == 201  # another person behind that address
    for address in (home, sofa):
        assert (await sign_in(client, "viewer", "viewer", address))[0] == 201


LIMITS = AttemptLimits(pair=Rate(3, 0.1), address=Rate(6, 1.0), login=Rate(5, 0.5), remembered=100)


def test_an_address_that_tries_many_logins_is_slowed_and_nobody_else() -> None:
    attempts = PasswordAttempts(LIMITS)
    for number in range(6):
        assert attempts.wait_s(f"login-{number}", "a", 0.0) == 0.0
        attempts.failed(f"login-{number}", "a", 0.0)
    assert attempts.wait_s("fresh", "a", 0.0) == 1.0
    assert [attempts.wait_s("fresh", *at) for at in (("b", 0.0), (None, 0.0), ("a", 1.0))] == [0.0, 0.0, 0.0]
    assert attempts.refused == 1


def test_a_login_that_is_tried_from_everywhere_is_slowed_but_for_its_owners_places() -> None:
    attempts = PasswordAttempts(LIMITS)
    attempts.succeeded("mei", "home")
    for number in range(5):
        attempts.failed("mei", f"bot-{number}", 0.0)
    assert attempts.wait_s("mei", "bot-9", 0.0) == 2.0
    assert attempts.wait_s("mei", "home", 0.0) == 0.0
    for _ in range(3):
        attempts.failed("mei", "home", 0.0)
    assert attempts.wait_s("mei", "home", 0.0) == 10.0
    attempts.succeeded("mei", "home")  # one that was under way
    assert attempts.wait_s("mei", "home", 0.0) == 0.0


def test_what_is_under_way_at_once_is_waited_for_later() -> None:
    attempts = PasswordAttempts(LIMITS)
    for _ in range(30):
        attempts.failed("mei", "a", 0.0)
    assert attempts.wait_s("mei", "a", 0.0) == 280.0
    assert attempts.wait_s("mei", "a", 280.0) == 0.0


def test_the_memory_of_attempts_is_bounded() -> None:
    attempts = PasswordAttempts(LIMITS)
    for number in range(1_000):
        attempts.failed(f"login-{number}", f"address-{number}", 0.0)
        attempts.succeeded(f"login-{number}", f"address-{number}")
    held = (attempts._pairs._levels, attempts._addresses._levels, attempts._logins._levels, attempts._known)
    assert max(len(one) for one in held) <= 100


async def test_one_client_cannot_hold_all_places_of_the_password_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, go_on = Passwords(hasher=HASHER, threads=1, queue=8), threading.Event()
    monkeypatch.setattr(passwords, "_matches", lambda *_: go_on.wait(PATIENCE_S))
    taken = []
    for _ in range(20):
        taken.append(asyncio.create_task(passwords.verify(None, "x", "greedy")))
        await asyncio.sleep(0)
    assert passwords.waiting == 4
    taken.append(asyncio.create_task(passwords.verify(None, "x", "another")))
    await asyncio.sleep(0)
    assert passwords.waiting == 5
    go_on.set()
    results = await asyncio.gather(*taken, return_exceptions=True)
    assert sum(isinstance(result, PasswordsBusy) for result in results) == 16
    assert passwords.waiting == len(passwords._held) == 0
    passwords.close()
