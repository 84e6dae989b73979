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

from server.app import Parts
from server.http.openapi import document, refusals
from server.http.operations import OPERATIONS, Operation
from server.settings import load_settings
from tests.server.people import TOKENS

ROOT = Path(__file__).parents[2]
RAISED = {"ApiError": 1, "Refusal": 0, "Invalid": 0, "NotFound": 0, "Forbidden": 0, "Unavailable": 0, "Conflict": 0}
# A tip is given over the WebSocket; these codes are its own.
OF_THE_ROOM = {"tips_off", "daily_cap", "insufficient_points"}


@pytest.fixture
async def application(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> AsyncIterator[web.Application]:
    settings = load_settings(
        database_url="postgres://unused", redis_url="redis://unused", jwt_secret=TOKENS.secret, roles=("api",)
    )
    parts = Parts(settings, pool, redis_client)
    yield parts.http()
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


def test_every_code_that_the_source_raises_is_in_the_document() -> None:
    said = {code for one in OPERATIONS for codes in refusals(one).values() for code in codes}
    raised = {
        code
        for folder in ("server/http", "commerce")
        for path in (ROOT / folder).glob("*.py")
        if path.name != "signalling.py"  # WHIP and WHEP are not under /api/v1
        for code in codes_raised(path)
    }
    assert {"quota_empty", "bad_json", "maker_is_checker"} <= raised
    assert raised - OF_THE_ROOM - said == set()


def codes_raised(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
            place = RAISED[node.func.id]
            argument = node.args[place] if len(node.args) > place else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


def members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)
