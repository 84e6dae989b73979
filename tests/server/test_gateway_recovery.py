"""Returning to a room over real sockets, Valkey and Postgres."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest
import redis.asyncio

from chat.broker_redis import RedisBroker
from chat.envelope import Sealed, seal
from chat.events import Author, CardPulled, CommentPosted, TipGiven
from tests.chat.fakes import BROADCAST
from tests.server.gateway_rig import Client, Event, Rig, connected, joined


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


def reached(client: Client) -> dict[str, Any]:
    """What this client would say in its next hello."""
    told = [event for event in client.events if event["type"] in ("welcome", "position")][-1]
    return {"epoch": told["epoch"], "offset": told["offset"]}


async def come_back(rig: Rig, client: Client, where: dict[str, Any], account_id: str = "ac_a") -> Event:
    token = rig.authenticator.issue(account_id)
    await client.send(type="hello", token=token, broadcast_id=BROADCAST, client_id="phone-1", **where)
    return await client.next_of("welcome", "error")


async def test_one_who_returns_to_another_gateway_gets_what_was_missed_and_no_snapshot(rig: Rig) -> None:
    broker = RedisBroker(rig.redis)
    async with rig.gateway() as here, rig.gateway() as there:
        async with joined(rig, here, ("ac_a", "viewer")) as (a,):
            await broker.publish(BROADCAST, seal(CardPulled("pr_seen", "x")))
            await a.next_of("position")
            where = reached(a)
        for number in range(5):
            await broker.publish(BROADCAST, seal(CardPulled(f"pr_{number}", "x")))
        async with connected(there) as again:
            welcome = await come_back(rig, again, where)
            assert (welcome["recovered"], welcome["snapshot"]) == (True, None)
            assert welcome["offset"] == where["offset"] + 5
            position = await again.next_of("position")
            assert position["offset"] == welcome["offset"]
            pulled = [event["product_id"] for event in again.events if event["type"] == "card_pulled"]
            assert pulled == [f"pr_{number}" for number in range(5)]
            assert {"state", "likes", "presence"} <= {event["type"] for event in again.events}


async def test_what_the_next_version_says_disturbs_neither_this_gateway_nor_its_offsets(rig: Rig) -> None:
    """Side by side in an upgrade: unknown events and fields are passed on, unreadable envelopes dropped."""

    def of_the_next_version(**envelope: object) -> Sealed:
        told = {"to": None, "audience": "all", "event": {"type": "hologram_shown", "depth": 3}, "importance": "must"}
        return Sealed(msgspec.json.encode({**told, **envelope}))

    broker = RedisBroker(rig.redis)
    async with rig.gateway() as here, rig.gateway() as there:
        async with joined(rig, here, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
            where = reached(a)
            await broker.publish(BROADCAST, of_the_next_version(trace="unknown field"))
            await broker.publish(BROADCAST, of_the_next_version(audience="of a kind unknown here"))
            await broker.publish(BROADCAST, of_the_next_version(event=["not", "an", "object"]))
            await broker.publish(BROADCAST, seal(CardPulled("pr_known", "x")))
            for client in (a, b):
                await client.next_of("card_pulled")
                await client.next_of("position")
                assert reached(client)["offset"] == where["offset"] + 4
                assert [event for event in client.events if event["type"] == "hologram_shown"] == [
                    {"type": "hologram_shown", "depth": 3}
                ]
                assert not any(event.get("lost") for event in client.events)
        for gateway in (here, there):
            async with connected(gateway) as again:
                welcome = await come_back(rig, again, where)
                assert (welcome["recovered"], welcome["offset"]) == (True, where["offset"] + 4)
                await again.next_of("position")
                types = [event["type"] for event in again.events]
                assert (types.count("hologram_shown"), types.count("card_pulled")) == (1, 1)


@pytest.mark.parametrize("nonsense", [{"offset": -5}, {"offset": 10**15}, {"epoch": "of another time"}])
async def test_wrong_numbers_get_a_fresh_snapshot(rig: Rig, nonsense: dict[str, Any]) -> None:
    async with rig.gateway() as gateway:
        async with joined(rig, gateway, ("ac_a", "viewer")) as (a,):
            where = reached(a)
        async with connected(gateway) as again:
            welcome = await come_back(rig, again, where | nonsense)
            assert welcome["recovered"] is False
            assert welcome["snapshot"]["state"] == "live"


async def test_a_subscriber_that_was_cut_off_fills_the_gap_from_the_stream(rig: Rig) -> None:
    broker = RedisBroker(rig.redis)
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (a,):
        for burst in range(5):
            await rig.redis.client_kill_filter(_type="pubsub")
            for number in range(burst * 10, burst * 10 + 10):
                await broker.publish(BROADCAST, seal(TipGiven("小明", number + 1, None)))
        await a.next_of("tip", where=lambda event: event["points"] == 50)
        assert [event["points"] for event in a.events if event["type"] == "tip"] == list(range(1, 51))
        assert not any(event.get("lost") for event in a.events)


async def test_a_hot_room_shows_viewers_what_can_be_read_and_the_host_everything(rig: Rig) -> None:
    broker = RedisBroker(rig.redis)
    people = (("ac_a", "viewer"), ("ac_b", "viewer"), ("ac_host", "host"))
    async with (
        rig.gateway() as here,
        rig.gateway() as there,
        joined(rig, here, *people) as (a, _, host),
        joined(rig, there, ("ac_c", "viewer")) as (c,),
    ):
        comments = [
            CommentPosted(f"cm_{i}", "comment", Author(f"ac_{i}", "小明", "viewer"), "hi", 1, None) for i in range(200)
        ]
        await asyncio.gather(*(broker.publish(BROADCAST, seal(comment)) for comment in comments))
        await broker.publish(BROADCAST, seal(CardPulled("end", "x")))
        for client in (a, c, host):
            await client.next_of("card_pulled")
            await client.next_of("position")
        shown = [[event["comment_id"] for event in one.events if event["type"] == "comment"] for one in (a, c, host)]
        assert shown[0] == shown[1]
        assert 15 <= len(shown[0]) < 60  # a second's worth and what time passed
        assert len(shown[2]) == 200
        for client, seen in ((a, shown[0]), (c, shown[1]), (host, shown[2])):
            assert sum(event.get("sampled_out", 0) for event in client.events) == 200 - len(seen)
