"""A token that is limited to one broadcast reaches nothing of another, walked over every operation of the API."""

import ast
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from aiohttp.test_utils import TestClient, TestServer

import server.http
from server.app import Parts
from server.http.operation import Operation
from server.http.operations import OPERATIONS
from server.public_http import public_application
from server.settings import load_settings
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from tests.commerce.bank import DATA_KEYS, Bank
from tests.server.people import TOKENS, seed_people, session

HERE, OTHER = "bc_a", "bc_b"
OWNER = "ac_viewer"


class Door:
    """The whole application, with an order and an acknowledgement of the viewer in one broadcast."""

    def __init__(self, client: TestClient[Any, Any], acknowledgement_id: str, order_id: str) -> None:
        self.client = client
        self.acknowledgement_id = acknowledgement_id
        self.order_id = order_id

    async def ask(self, one: Operation, scope: str, method: str | None = None) -> tuple[int, str]:
        """Call the operation about HERE with the viewer's token for `scope`; return status and text."""
        path = one.path.format(
            broadcast_id=HERE,
            order_id=self.order_id,
            product_id="pr_x",
            document_id="dc_x",
            token_id="et_x",
            assessment_id="as_x",
            tip_id="tp_x",
        )
        bodies = {
            "body": {"broadcast_id": HERE},
            "acknowledgement": {
                "acknowledgement_id": self.acknowledgement_id, "amount_minor": 200_000, "currency": "CNY",
            },
        }  # fmt: skip
        headers = {**session("viewer", broadcast_id=scope), "Idempotency-Key": "k9"}
        asked = self.client.request(method or one.method, path, json=bodies.get(one.tie), headers=headers)
        async with asked as response:
            return response.status, await response.text()


@pytest.fixture
async def door(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> AsyncIterator[Door]:
    await seed_people(pool)
    store = PostgresBroadcasts(pool)
    for broadcast_id in (HERE, OTHER):
        await store.create(broadcast_id, "ac_host", Draft("x", "", "ac_host", "ac_monitor", None), datetime.now(UTC))
    await pool.execute("UPDATE broadcasts SET state = 'live'")
    bank = Bank(pool)
    await bank.open_shop()
    await bank.add_customer(OWNER)
    order = await bank.reserved(OWNER)
    acknowledgement_id = await pool.fetchval("SELECT acknowledgement_id FROM acknowledgements")
    settings = load_settings(
        database_url="postgres://unused", redis_url="redis://unused", jwt_secret=TOKENS.secret, data_keys=DATA_KEYS,
        roles=("api", "commerce"),
    )  # fmt: skip
    parts = Parts(settings, pool, redis_client)
    async with TestClient(TestServer(public_application(parts))) as client:
        yield Door(client, acknowledgement_id, order.order_id)
    parts.passwords.close()


def of_scope(answer: tuple[int, str]) -> bool:
    """Whether it was the token's scope that refused."""
    return answer[0] == 403 and ("this token is for" in answer[1] or "a token for one" in answer[1])


async def test_every_operation_about_another_broadcast_is_refused_and_about_its_own_is_not(door: Door) -> None:
    wrong = []
    for one in OPERATIONS:
        tied = one.tie in ("path", "body", "acknowledgement", "order")
        other, own = await door.ask(one, OTHER), await door.ask(one, HERE)
        if of_scope(other) != (tied or one.tie == "none") or of_scope(own) != (one.tie == "none"):
            wrong.append((one.method, one.path, other, own))
        if max(other[0], own[0]) >= 500:
            wrong.append((one.method, one.path, other, own))
    assert wrong == []


def test_what_names_a_broadcast_or_an_order_is_tied_to_it() -> None:
    """The table could say `own` for something that is not; these few are all that are."""
    own = {(one.method, one.path) for one in OPERATIONS if one.tie == "own"}
    assert own == {
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api/v1/asyncapi.json"),
        ("GET", "/api/v1/config"),
        ("POST", "/api/v1/sessions"),
        ("POST", "/api/v1/sessions/refresh"),
        ("GET", "/api/v1/me"),
        ("POST", "/api/v1/identity-proofs"),
        ("GET", "/api/v1/points"),
        ("GET", "/api/v1/documents/{document_id}"),
    }


async def test_lists_show_only_the_tokens_broadcast(door: Door) -> None:
    listed = {one.path: one for one in OPERATIONS if one.tie == "listed"}
    assert set(listed) == {"/api/v1/broadcasts", "/api/v1/orders"}
    shows = listed["/api/v1/broadcasts"]
    assert HERE in (await door.ask(shows, HERE))[1]
    assert OTHER not in (await door.ask(shows, HERE))[1]
    orders = listed["/api/v1/orders"]
    assert door.order_id in (await door.ask(orders, HERE))[1]
    assert door.order_id not in (await door.ask(orders, OTHER))[1]


async def test_a_head_request_is_held_like_a_get(door: Door) -> None:
    show = next(one for one in OPERATIONS if one.path == "/api/v1/broadcasts/{broadcast_id}")
    assert (await door.ask(show, OTHER, method="HEAD"))[0] == 403


async def test_another_customers_order_is_not_told_from_none(door: Door) -> None:
    headers = {**session("other_viewer", broadcast_id=OTHER), "Idempotency-Key": "k1"}
    async with door.client.get(f"/api/v1/orders/{door.order_id}", headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (404, "no_such_order")


def test_bodies_are_read_in_one_place_that_bounds_size_and_time() -> None:
    readers = set()
    for path in Path(server.http.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="request"), attr="read" | "json" | "text" | "post" | "content"):
                    readers.add(path.name)
    assert readers == {"body.py"}
