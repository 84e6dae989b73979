"""The people of the show over real HTTP: signing in, buying by the rules, and what the host sees."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from load_tests.http_client import ApiError, Door, Person, SignIn, Unreachable
from load_tests.show.buyer import Buyer
from load_tests.show.credentials import CredentialsError, read_credentials
from load_tests.show.stage import Stage

CARD = {
    "product_id": "pr_x",
    "card_version": 3,
    "currency": "CNY",
    "minimum_minor": 100_000,
    "increment_minor": 10_000,
    "customer_maximum_minor": 50_000_000,
    "quota_total_minor": 300_000_000,
    "documents": [{"document_id": "do_1", "url": "/api/v1/documents/do_1"}],
}
DWELL_MS = 300


class Bank:
    """A bank of one customer that remembers what it was asked; `busy` sign-ins are turned away first."""

    def __init__(self) -> None:
        self.busy = 0
        self.token_life_s = 3600.0
        self.allowed = True
        self.cautious = False
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any request of the protocol that the show's people make."""
        body: dict[str, Any] = await request.json() if request.can_read_body else {}
        path = f"{request.method} {request.path}"
        self.asked.append((path, body, request.headers.get("Idempotency-Key")))
        if path in ("POST /api/v1/sessions", "POST /api/v1/sessions/refresh"):
            return self._session()
        if path == "GET /api/v1/orders":
            return _problem(409, "in_progress", retry_after_s=3)
        if self.cautious and path.endswith("/submit") and body.get("identity_proof") != "p1":
            return _problem(403, "reauthentication_required", retry_after_s=0)
        answers = {
            "POST /api/v1/identity-proofs": {"identity_proof": "p1"},
            "GET /api/v1/broadcasts/bc_x/gate": {
                "allowed": self.allowed,
                "customer": {"available_minor": 10_000_000},
                "card": CARD,
                "acknowledgement_text": "read",
                "minimum_dwell_ms": DWELL_MS,
            },
            "POST /api/v1/acknowledgements": {"acknowledgement_id": "ak_1"},
            "POST /api/v1/orders": {"order_id": "or_1"},
        }
        return web.json_response(answers.get(path, {}))

    def paths(self) -> list[str]:
        """Return what was asked, in order."""
        return [path for path, *_ in self.asked]

    def _session(self) -> web.Response:
        if self.busy > 0:
            self.busy -= 1
            return _problem(503, "busy", retry_after_s=0)
        expires_at = datetime.now(UTC) + timedelta(seconds=self.token_life_s)
        token = {"token": f"t{len(self.asked)}", "expires_at": expires_at.isoformat()}
        return web.json_response(token, status=201)


def _problem(status: int, code: str, *, retry_after_s: int) -> web.Response:
    headers = {"Retry-After": str(retry_after_s)}
    return web.json_response({"code": code, "detail": "wait"}, status=status, headers=headers)


@asynccontextmanager
async def customer_of(bank: Bank) -> AsyncIterator[Person]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", bank.answer)
    server = TestServer(app)
    await server.start_server()
    try:
        async with aiohttp.ClientSession() as session:
            yield Person(Door(f"http://127.0.0.1:{server.port}", session), SignIn("mei", "secret"))
    finally:
        await server.close()


async def test_a_buyer_reads_dwells_and_acknowledges_before_ordering() -> None:
    bank = Bank()
    async with customer_of(bank) as person:
        buyer = Buyer(person, "bc_x")
        assert await buyer.buy("pr_x", 2) == "or_1"
        await buyer.cancel_all()
        await buyer.cancel_all()
    assert bank.paths() == [
        "POST /api/v1/sessions",
        "GET /api/v1/broadcasts/bc_x/gate",
        "GET /api/v1/documents/do_1",
        "POST /api/v1/acknowledgements",
        "POST /api/v1/orders",
        "POST /api/v1/orders/or_1/submit",
        "POST /api/v1/orders/or_1/cancel",
    ]
    acknowledged, ordered = bank.asked[3][1], bank.asked[4][1]
    assert acknowledged["dwell_ms"] >= DWELL_MS
    assert acknowledged["documents_opened"] == ["do_1"]
    assert ordered == {"acknowledgement_id": "ak_1", "amount_minor": 600_000, "currency": "CNY"}
    keys = [key for *_, key in bank.asked[4:]]
    assert all(keys)
    assert len(set(keys)) == 3


async def test_a_buyer_who_is_asked_gives_the_password_and_submits_again_under_the_same_key() -> None:
    bank = Bank()
    bank.cautious = True
    async with customer_of(bank) as person:
        assert await Buyer(person, "bc_x").buy("pr_x", 2) == "or_1"
    submit = "POST /api/v1/orders/or_1/submit"
    assert bank.paths()[-3:] == [submit, "POST /api/v1/identity-proofs", submit]
    (*_, first), (_, proof, _), (*_, second) = bank.asked[-3:]
    assert proof == {"password": "secret"}
    assert first == second


async def test_a_buyer_whom_the_gate_refuses_orders_nothing() -> None:
    bank = Bank()
    bank.allowed = False
    async with customer_of(bank) as person:
        assert await Buyer(person, "bc_x").buy("pr_x", 2) is None
    assert len(bank.asked) == 2


async def test_a_busy_door_is_tried_again_and_calls_share_one_session() -> None:
    bank = Bank()
    bank.busy = 2
    async with customer_of(bank) as person:
        await asyncio.gather(*(person.call("GET", "/api/v1/me") for _ in range(5)))
    assert bank.paths().count("POST /api/v1/sessions") == 3


async def test_a_token_is_refreshed_before_it_expires() -> None:
    bank = Bank()
    bank.token_life_s = 0.01
    async with customer_of(bank) as person:
        first = await person.token()
        await asyncio.sleep(0.02)
        assert await person.token() != first
    assert bank.paths() == ["POST /api/v1/sessions", "POST /api/v1/sessions/refresh"]


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Unreachable):
            await Person(Door("http://127.0.0.1:9", session), SignIn("mei", "secret")).token()


async def test_a_problem_document_becomes_its_code() -> None:
    async with customer_of(Bank()) as person:
        with pytest.raises(ApiError) as refused:
            await person.call("GET", "/api/v1/orders")
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (409, "in_progress", 3.0)


def test_the_stage_follows_the_room() -> None:
    stage = Stage()
    snapshot = {"state": "live", "publisher": "flowing", "card": None}
    stage.take({"type": "welcome", "snapshot": snapshot})
    assert stage.airing.is_set()
    cards = []
    events: list[dict[str, Any]] = [
        {"type": "card_shown", "card": {"product_id": "pr_x"}},
        {"type": "something_new"},
        {"type": "card_pulled", "product_id": "pr_x"},
    ]
    for event in events:
        stage.take(event)
        cards.append(stage.card_product_id)
    assert cards == ["pr_x", "pr_x", None]
    stage.take({"type": "state", "state": "terminated", "publisher": "none"})
    assert not stage.airing.is_set()


def test_credentials_name_who_plays(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    someone, other = {"login": "a", "password": "b"}, {"login": "c", "password": "d"}
    path.write_text(json.dumps({"host": someone, "monitor": someone, "monitors": {"bc_2": other}, "new": 1}))
    credentials = read_credentials(path)
    assert credentials.monitor_of("bc_1") == SignIn("a", "b")
    assert credentials.monitor_of("bc_2") == SignIn("c", "d")
    path.write_text("{}")
    with pytest.raises(CredentialsError, match="host"):
        read_credentials(path)
