"""The gateway over real sockets, Valkey and Postgres: what people do in a room."""

import asyncio

import asyncpg
import pytest
import redis.asyncio

from chat.like_allowance import TAPS
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


async def test_a_comment_on_one_gateway_arrives_on_the_other(rig: Rig) -> None:
    async with (
        rig.gateway() as here,
        rig.gateway() as there,
        joined(rig, here, ("ac_a", "viewer")) as (a,),
        joined(rig, there, ("ac_b", "viewer")) as (b,),
    ):
        await a.comment("hello from another process")
        assert (await b.next_of("comment"))["text"] == "hello from another process"


async def test_a_repeated_message_id_is_stored_once_and_shown_once(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        first = await a.comment("once", message_id="same")
        assert await a.comment("once", message_id="same") == first
        assert (await a.comment("once, changed", message_id="same"))["code"] == "idempotency_conflict"
        await a.comment("afterwards")
        await b.next_of("comment", where=lambda event: event["text"] == "afterwards")
        assert b.texts() == ["once", "afterwards"]
        assert await rig.pool.fetchval("SELECT count(*) FROM comments WHERE client_message_id = 'same'") == 1


async def test_a_blocked_phrase_reaches_nobody_and_a_held_one_only_staff(rig: Rig) -> None:
    people = (
        ("ac_a", "viewer"),
        ("ac_b", "viewer"),
        ("ac_host", "host"),
        ("ac_other", "host"),
        ("ac_monitor", "monitor"),
    )
    async with rig.gateway() as gateway, joined(rig, gateway, *people) as (a, b, host, other_host, monitor):
        blocked = await a.comment("这个产品 保 本 保息")
        assert (blocked["verdict"], blocked["comment"]["text"]) == ("block", "这个产品 保 本 保息")
        assert (await a.comment("全市场最好的产品"))["verdict"] == "hold"
        assert (await a.comment("说完了"))["verdict"] == "pass"
        for client in (b, host, other_host, monitor):
            await client.next_of("comment", where=lambda event: event["text"] == "说完了")
        assert b.texts() == other_host.texts() == ["说完了"]
        assert host.texts() == monitor.texts() == ["全市场最好的产品", "说完了"]
        held = next(event for event in monitor.events if event.get("verdict") == "hold")
        assert held["text"] == "全市场最好的产品"
        assert await rig.pool.fetchval("SELECT count(*) FROM comments") == 3


async def test_personal_data_is_masked_before_it_is_stored_or_shown(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        await a.comment("卡号 4111 1111 1111 1111 收到了吗")
        assert (await b.next_of("comment"))["text"] == "卡号 **** **** **** 1111 收到了吗"
        assert await rig.pool.fetchval("SELECT text FROM comments") == "卡号 **** **** **** 1111 收到了吗"


async def test_a_pin_and_a_removal_reach_the_room_and_later_snapshots(rig: Rig) -> None:
    people = (("ac_a", "viewer"), ("ac_host", "host"), ("ac_monitor", "monitor"))
    async with rig.gateway() as gateway:
        async with joined(rig, gateway, *people) as (viewer, host, monitor):
            comment_id = (await viewer.comment("请问有起购金额吗", kind="question"))["comment"]["comment_id"]
            await host.send(type="pin", id="p1", comment_id=comment_id)
            assert (await host.next_of("ack", "error"))["verdict"] == "done"
            assert (await viewer.next_of("pinned"))["comment"]["comment_id"] == comment_id
            await asyncio.sleep(0.3)  # older than a shared snapshot may be
            async with joined(rig, gateway, ("ac_b", "viewer")) as (late,):
                snapshot = late.events[0]["snapshot"]
                assert snapshot["pinned"]["comment_id"] == comment_id
            await monitor.send(type="remove", id="r1", comment_id=comment_id, reason="off topic")
            assert (await monitor.next_of("ack", "error"))["verdict"] == "done"
            assert (await viewer.next_of("comment_removed"))["comment_id"] == comment_id
            assert (await viewer.next_of("pinned"))["comment"] is None
        await asyncio.sleep(0.3)
        async with joined(rig, gateway, ("ac_c", "viewer")) as (later,):
            snapshot = later.events[0]["snapshot"]
            assert (snapshot["pinned"], snapshot["comments"]) == (None, [])
        acts = await rig.pool.fetch("SELECT act, actor_id, reason FROM moderation_acts ORDER BY act_id")
        assert [tuple(act) for act in acts] == [("pin", "ac_host", None), ("remove", "ac_monitor", "off topic")]


async def test_pinning_what_is_not_there_is_refused(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_host", "host")) as (host,):
        await host.send(type="pin", id="p1", comment_id="cm_nothing")
        error = await host.next_of("error")
        assert (error["code"], error["id"]) == ("no_such_comment", "p1")


async def test_a_tip_is_taken_once_and_tells_the_balance(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (a,):
        for _ in range(2):
            await a.send(type="tip", id="t1", points=30)
            assert (await a.next_of("ack", "error"))["points_balance"] == 70
        await a.send(type="tip", id="t2", points=71)
        assert (await a.next_of("ack", "error"))["code"] == "insufficient_points"


async def test_likes_are_exact_under_repeats_across_gateways(rig: Rig) -> None:
    async with (
        rig.gateway() as here,
        rig.gateway() as there,
        joined(rig, here, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b),
        joined(rig, there, ("ac_c", "viewer"), ("ac_a", "viewer")) as (c, again),
    ):
        for count in (1, 3, 2, 3, 5, 5):
            await a.send(type="like", count=count)
        await again.send(type="like", count=4)  # the same person and installation, returned on another gateway
        await b.send(type="like", count=7)
        await c.send(type="like", count=1)
        for client in (a, b, c):
            await client.next_of("likes", where=lambda event: event["total"] == 13)
        totals = [event["total"] for event in c.events if event["type"] == "likes"]
        assert totals == sorted(totals)


async def test_a_person_who_claims_more_likes_than_taps_is_counted_as_far_as_one_can_tap(rig: Rig) -> None:
    async with (
        rig.gateway() as gateway,
        joined(rig, gateway, ("ac_greedy", "viewer"), ("ac_a", "viewer")) as (greedy, a),
        connected(gateway) as second,
    ):
        await second.hello(rig.authenticator.issue("ac_greedy"), client_id="phone-2")
        await greedy.send(type="like", count=100_000)
        assert (await a.next_of("likes"))["total"] == TAPS.burst
        await second.send(type="like", count=100_000)
        await a.send(type="like", count=3)
        total = (await a.next_of("likes", where=lambda event: event["total"] >= TAPS.burst + 3))["total"]
        assert total < 50_000  # what the account may tap in the time this took, which would have to be 40 minutes


async def test_the_online_count_adds_up_gateways_and_forgets_a_dead_one(rig: Rig) -> None:
    async with rig.gateway() as here, joined(rig, here, ("ac_a", "viewer")) as (a,):
        async with rig.gateway() as there, joined(rig, there, ("ac_b", "viewer"), ("ac_c", "viewer")):
            await a.next_of("presence", where=lambda event: event["online"] == 3)
        await a.next_of("presence", where=lambda event: event["online"] == 1)


async def test_joiners_of_one_moment_share_one_snapshot(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        clients = [connected(gateway) for _ in range(20)]
        opened = [await client.__aenter__() for client in clients]
        welcomes = await asyncio.gather(
            *(client.hello(rig.authenticator.issue(f"ac_{i}")) for i, client in enumerate(opened))
        )
        assert {welcome["type"] for welcome in welcomes} == {"welcome"}
        assert rig.broadcasts.reads < 10
        for client in clients:
            await client.__aexit__(None, None, None)
