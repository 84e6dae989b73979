"""What is logged in the course of a request or a command carries its ids, and nothing of them stays behind."""

import uuid
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.contextvars import get_contextvars

from chat.conversation import Conversation
from server.auth.identities import LocalIdentities
from server.http.application import build
from server.http.body import json_response
from tests.server.gateway_rig import Rig, joined
from tests.server.people import TOKENS


async def test_a_request_has_the_id_that_its_answer_names() -> None:
    async def told(request: web.Request) -> web.Response:
        return json_response(get_contextvars())

    async with TestClient(TestServer(build([web.get("/told", told)], LocalIdentities(TOKENS), ()))) as client:
        for _ in range(2):
            async with client.get("/told") as answer:
                assert await answer.json() == {"request_id": answer.headers["X-Request-Id"]}


async def test_a_command_has_its_connection_and_its_broadcast(
    pool: asyncpg.Pool, redis_client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    carry_out = Conversation.carry_out

    async def noting(self: Conversation, *args: Any) -> Any:
        seen.append(get_contextvars())
        return await carry_out(self, *args)

    monkeypatch.setattr(Conversation, "carry_out", noting)
    rig = Rig(pool, redis_client)
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_viewer", "viewer")) as (viewer,):
        await viewer.comment("你好")
    (ids,) = seen
    assert set(ids) == {"connection_id", "broadcast_id"}
    assert ids["broadcast_id"].startswith("bc_")
    assert uuid.UUID(ids["connection_id"])
