"""The OpenAPI document says what the whole application serves: no more, no less."""

import ast
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import redis.asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from commerce.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, Unavailable
from server.app import Parts
from server.http.answer_examples import example_of
from server.http.commerce_errors import commerce_status
from server.http.openapi import document, refusals
from server.http.operation import Operation
from server.http.operations import OPERATIONS
from server.public_http import public_application
from server.settings import load_settings
from tests.commerce.bank import DATA_KEYS
from tests.server.people import TOKENS

ROOT = Path(__file__).parents[2]
OF_THE_SALE = {kind.__name__: kind for kind in (Conflict, Forbidden, Invalid, NotFound, Refusal, Unavailable)}
# A tip is given over the WebSocket; these codes are its own.
OF_THE_ROOM = {(409, "tips_off"), (422, "daily_cap"), (422, "insufficient_points")}


@pytest.fixture
async def application(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> AsyncIterator[web.Application]:
    settings = load_settings(
        database_url="postgres://unused",
        redis_url="redis://unused",
        jwt_secret=TOKENS.secret,
        data_keys=DATA_KEYS,
        roles=("api",),
    )
    parts = Parts(settings, pool, redis_client)
    yield public_application(parts)
    parts.passwords.close()


async def test_every_route_is_in_the_document_and_the_other_way_round(application: web.Application) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/") and route.method != "HEAD"
    }
    said = {(method.upper(), path) for path, item in document()["paths"].items() for method in item}
    assert said == served
    assert len(OPERATIONS) == len(said)


async def test_the_document_is_served_without_a_session(application: web.Application) -> None:
    async with (
        TestClient[Any, Any](TestServer(application)) as client,
        client.get("/api/v1/openapi.json") as response,
    ):
        assert response.status == 200
        assert await response.json() == msgspec.json.decode(msgspec.json.encode(document()))


@pytest.mark.parametrize("one", [one for one in OPERATIONS if one.body is not None], ids=lambda one: one.path)
def test_an_example_is_accepted_by_the_type_that_reads_it(one: Operation) -> None:
    msgspec.json.decode(msgspec.json.encode(one.example), type=one.body)


def test_every_reference_leads_somewhere() -> None:
    made = document()
    references = {value for key, value in members(made) if key == "$ref"}
    known = {f"#/components/schemas/{name}" for name in made["components"]["schemas"]}
    assert references
    assert references <= known


def test_every_code_that_the_source_raises_is_in_the_document_under_its_status() -> None:
    said = {(status, code) for one in OPERATIONS for status, codes in refusals(one).items() for code in codes}
    raised = {
        pair
        for folder in ("server/http", "commerce")
        for path in (ROOT / folder).glob("*.py")
        if path.name != "signalling.py"  # WHIP and WHEP are not under /api/v1
        for pair in raised_in(path)
    }
    assert {(409, "quota_empty"), (400, "bad_json"), (403, "maker_is_checker")} <= raised
    assert raised - OF_THE_ROOM - said == set()


def raised_in(path: Path) -> Iterator[tuple[int, str]]:
    """Read status and code of every error that is made with a literal code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        given = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        match [node.func.id, *given]:
            case ["ApiError", int(status), str(code), *_]:
                yield status, code
            case [str(kind), str(code), *_] if kind in OF_THE_SALE:
                yield commerce_status(OF_THE_SALE[kind](code, "")), code


def members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


ANSWERS = sorted({one.answer for one in OPERATIONS} - {None, dict}, key=str)


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_an_example_of_an_answer_is_one(kind: type) -> None:
    msgspec.json.decode(msgspec.json.encode(example_of(kind)), type=kind, strict=True)
