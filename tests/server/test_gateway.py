"""The gateway over real sockets, Valkey and Postgres: what people do in a room."""

import asyncio

import asyncpg
import pytest
import redis.asyncio

from tests.chat.fakes import BROADCAST
from tests.server.gateway_rig import Rig, connected, joined


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


async def test_a_comment_is_stored_acknowledged_and_reaches_the_others(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        ack = await a.comment("大家好，𠮷野家", message_id="m-1")
        assert (ack["type"], ack["id"], ack["verdict"]) == ("ack", "m-1", "pass")
        row = await rig.pool.fetchrow(
            "SELECT text, verdict FROM comments WHERE comment_id = $1", ack["comment"]["comment_id"]
        )
        assert (row["text"], row["verdict"]) == ("大家好，𠮷野家", "pass")
        event = await b.next_of("comment")
        assert event["text"] == "大家好，𠮷野家"
        assert event["author"] == {"account_id": "ac_a", "nickname": "小明", "role": "viewer"}
        assert event["stream_time_ms"] == 5_000
        assert event["comment_id"] == ack["comment"]["comment_id"]


async def test_the_welcome_holds_the_snapshot(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        async with joined(rig, gateway, ("ac_a", "viewer")) as (a,):
            await a.comment("第一条")
        async with connected(gateway) as late:
            await asyncio.sleep(0.3)  # older than a shared snapshot may be
            welcome = await late.hello(rig.authenticator.issue("ac_b"))
        assert welcome["you"] == {"account_id": "ac_b", "nickname": "小明", "role": "viewer"}
        assert welcome["points_balance"] == 100
        assert welcome["limits"] == {"text_chars": 200, "comments_per_10s": 10}
        snapshot = welcome["snapshot"]
        assert snapshot["broadcast"]["broadcast_id"] == BROADCAST
        assert (snapshot["state"], snapshot["publisher"], snapshot["tips_enabled"]) == ("live", "flowing", True)
        assert [comment["text"] for comment in snapshot["comments"]] == ["第一条"]
        assert (snapshot["card"], snapshot["pinned"], snapshot["likes"]) == (None, None, 0)
