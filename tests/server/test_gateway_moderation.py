"""The monitor's acts over real sockets, gateways, Valkey and Postgres."""

import asyncio
import inspect
import time
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from chat.presence_redis import RedisPresence
from chat.rooms import RoomTimes
from tests.chat.fakes import BROADCAST
from tests.server.gateway_rig import Client, Rig, connected, joined
from tests.server.people import seed_people

PEOPLE = (("ac_viewer", "viewer"), ("ac_other", "viewer"), ("ac_monitor", "monitor"))


@pytest.fixture
async def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    await seed_people(pool)
    return Rig(pool, redis_client)


PROMISED_S = 1.0
"""What docs/protocol.md promises of bans and withdrawals; a busy machine gets five times as long."""


async def act(client: Client, kind: str, **fields: Any) -> dict[str, Any]:
    await client.send(type=kind, id=f"{kind}-1", reason="because", **fields)
    return await client.next_of("ack", "error", where=lambda event: event.get("id") == f"{kind}-1")


async def test_a_held_comment_is_released_to_everyone_and_recorded(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE) as (viewer, other, monitor):
        ack = await viewer.comment("这是最好的")
        assert ack["verdict"] == "hold"
        comment_id = ack["comment"]["comment_id"]
        await monitor.next_of("comment", where=lambda event: event.get("verdict") == "hold")
        assert (await act(other, "release", comment_id=comment_id))["code"] == "forbidden"
        assert (await act(monitor, "release", comment_id=comment_id))["verdict"] == "done"
        shown = await other.next_of("comment")
        assert (shown["comment_id"], "verdict" in shown) == (comment_id, False)
        await monitor.next_of("comment", where=lambda event: "verdict" not in event)
    row = await rig.pool.fetchrow("SELECT act, comment_id, actor_id, reason FROM moderation_acts")
    assert tuple(row) == ("release", comment_id, "ac_monitor", "because")
    with pytest.raises(asyncpg.RaiseError):
        await rig.pool.execute("DELETE FROM moderation_acts")


async def until(viewer: Client, code: str | None) -> None:
    """Say something now and then until it is answered with this code, or None for an ack."""
    for _ in range(50):
        if (await viewer.comment(f"你好 {time.monotonic()}")).get("code") == code:
            return
        await asyncio.sleep(0.3)
    pytest.fail(f"never answered with {code}")


async def test_a_mute_reaches_every_gateway_and_is_lifted(rig: Rig) -> None:
    async with (
        rig.gateway() as one,
        rig.gateway() as two,
        joined(rig, one, PEOPLE[2]) as (monitor,),
        joined(rig, two, PEOPLE[0]) as (viewer,),
    ):
        assert (await act(monitor, "mute", account_id="ac_viewer", seconds=600))["verdict"] == "done"
        told = await viewer.next_of("restricted")
        assert (told["kind"], told["reason"]) == ("muted", "because")
        await until(viewer, "muted")
        await monitor.send(type="mute", id="lift", account_id="ac_viewer", seconds=0, reason="enough")
        assert (await viewer.next_of("restricted"))["kind"] == "unmuted"
        await until(viewer, None)


async def test_a_ban_closes_every_socket_on_every_gateway_and_refuses_later_hellos(rig: Rig) -> None:
    async with (
        rig.gateway() as one,
        rig.gateway() as two,
        joined(rig, one, PEOPLE[2], PEOPLE[0]) as (monitor, here),
        joined(rig, two, PEOPLE[0]) as (there,),
    ):
        started = time.monotonic()
        assert (await act(monitor, "ban", account_id="ac_viewer"))["verdict"] == "done"
        assert (await here.closed())[0] == 4505
        assert (await there.closed())[0] == 4505
        assert time.monotonic() - started < 5 * PROMISED_S
        for gateway in (one, two):
            async with connected(gateway) as again:
                await again.hello(rig.authenticator.issue("ac_viewer"))
                assert (await again.closed())[0] == 4505
        assert (await act(monitor, "ban", account_id="ac_monitor"))["code"] == "forbidden"
        await monitor.send(type="ban", id="lift", account_id="ac_viewer", lift=True, reason="appeal")
        await monitor.next_of("ack", where=lambda event: event["id"] == "lift")
        async with connected(one) as again:
            assert (await again.hello(rig.authenticator.issue("ac_viewer")))["type"] == "welcome"


async def test_who_is_signed_out_loses_every_socket_and_is_told_to_sign_in_again(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, PEOPLE[0], PEOPLE[2]) as (viewer, monitor):
        await rig.pool.execute(
            "INSERT INTO account_restrictions (kind, broadcast_id, account_id, until)"
            " VALUES ('signed_out', '', 'ac_viewer', now() + interval '1 minute')"
        )
        assert (await viewer.closed())[0] == 4003
        assert (await act(monitor, "mute", account_id="ac_viewer2", seconds=1))["verdict"] == "done", "they stay"


@pytest.mark.parametrize(("kind", "fields"), [("mute", {"seconds": 600}), ("mute", {"seconds": 0}), ("ban", {})])
async def test_an_act_against_an_account_that_nobody_has_is_refused_and_not_recorded(
    rig: Rig, kind: str, fields: dict[str, int]
) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, PEOPLE[2]) as (monitor,):
        assert (await act(monitor, kind, account_id="ac_nobody", **fields))["code"] == "no_such_account"
        for table in ("moderation_acts", "account_restrictions"):
            assert await rig.pool.fetchval(f"SELECT count(*) FROM {table}") == 0
        assert (await act(monitor, kind, account_id="ac_viewer", **fields))["verdict"] == "done"


async def test_rules_silence_viewers_and_not_staff(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE) as (viewer, other, monitor):
        assert (await act(monitor, "rules", muted_all=True, slow_s=0))["verdict"] == "done"
        assert (await other.next_of("rules"))["muted_all"] is True
        assert (await viewer.comment("你好"))["code"] == "muted_all"
        assert (await monitor.comment("请稍等"))["verdict"] == "pass"
        await monitor.send(type="rules", id="slow", muted_all=False, slow_s=60, reason="busy")
        await other.next_of("rules", where=lambda event: event["slow_s"] == 60)
        assert (await viewer.comment("你好"))["verdict"] == "pass"
        refused = await viewer.comment("还有")
        assert (refused["code"], refused["retry_after_ms"] > 0) == ("slow_mode", True)


async def test_reports_reach_staff_once_a_person(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE) as (viewer, other, monitor):
        comment_id = (await viewer.comment("骂人的话"))["comment"]["comment_id"]
        for _ in range(2):
            assert (await act(other, "report", comment_id=comment_id))["verdict"] == "done"
        assert (await act(viewer, "report", comment_id=None))["verdict"] == "done"
        assert (await act(viewer, "report", comment_id="cm_none"))["code"] == "no_such_comment"
        first = await monitor.next_of("reported")
        assert (first["comment_id"], first["count"]) == (comment_id, 1)
        show = await monitor.next_of("reported", where=lambda event: event["comment_id"] is None)
        assert show["count"] == 1
        assert "reported" not in {event["type"] for event in other.events}
    assert await rig.pool.fetchval("SELECT count(*) FROM comment_reports WHERE broadcast_id = $1", BROADCAST) == 2


async def test_the_fourth_same_text_is_seen_by_nobody_else(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE[:2]) as (viewer, other):
        verdicts = [(await viewer.comment("买买买"))["verdict"] for _ in range(4)]
        assert verdicts == ["pass", "pass", "pass", "block"]
        await viewer.comment("谢谢")
        await other.next_of("comment", where=lambda event: event["text"] == "谢谢")
        assert other.texts().count("买买买") == 3


async def test_a_nickname_that_would_not_pass_is_not_shown(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE[:1]) as (viewer,), connected(gateway) as loud:
        welcome = await loud.hello(rig.authenticator.issue("ac_loud", nickname="加微信 abc12345"))
        assert welcome["you"]["nickname"] == "客户loud"
        await loud.comment("你好")
        assert (await viewer.next_of("comment"))["author"]["nickname"] == "客户loud"


async def test_a_monitors_repeat_undoes_nothing_that_another_monitor_decided_since(rig: Rig) -> None:
    people = (*PEOPLE, ("ac_colleague", "monitor"))
    async with rig.gateway() as gateway, joined(rig, gateway, *people) as (viewer, other, monitor, colleague):
        first, second = [(await viewer.comment(text))["comment"]["comment_id"] for text in ("一", "二")]
        await monitor.send(type="pin", id="pin-1", comment_id=first)
        await other.next_of("pinned")
        await act(monitor, "rules", muted_all=True, slow_s=0)
        await act(monitor, "mute", account_id="ac_viewer", seconds=600)
        await act(monitor, "ban", account_id="ac_viewer2")
        await colleague.send(type="pin", id="c1", comment_id=second)
        await colleague.send(type="rules", id="c2", muted_all=False, slow_s=3, reason="enough")
        await colleague.send(type="mute", id="c3", account_id="ac_viewer", seconds=0, reason="enough")
        await colleague.send(type="ban", id="c4", account_id="ac_viewer2", lift=True, reason="enough")
        await colleague.next_of("ack", where=lambda event: event["id"] == "c4")
        await viewer.next_of("restricted", where=lambda event: event["kind"] == "unmuted")
        await other.next_of("pinned", where=lambda event: event["comment"]["comment_id"] == second)
        await other.next_of("rules", where=lambda event: event["slow_s"] == 3)

        await monitor.send(type="pin", id="pin-1", comment_id=first)
        assert (await other.next_of("pinned"))["comment"]["comment_id"] == second
        assert (await act(monitor, "rules", muted_all=True, slow_s=0))["verdict"] == "done"
        told = await other.next_of("rules")
        assert (told["muted_all"], told["slow_s"]) == (False, 3)
        assert (await act(monitor, "mute", account_id="ac_viewer", seconds=600))["verdict"] == "done"
        told = await viewer.next_of("restricted")
        assert (told["kind"], told["reason"]) == ("unmuted", "enough")
        assert (await act(monitor, "ban", account_id="ac_viewer2"))["verdict"] == "done"
        assert (await viewer.comment("可以说话"))["verdict"] == "pass"
        async with connected(gateway) as again:
            assert (await again.hello(rig.authenticator.issue("ac_viewer2")))["type"] == "welcome"
    acts = await rig.pool.fetch("SELECT act FROM moderation_acts ORDER BY act")
    assert [row["act"] for row in acts] == ["ban", "mute", "pin", "pin", "rules", "rules", "unban", "unmute"]


async def test_repeats_that_race_are_one_act_and_a_refused_one_leaves_its_id_free(rig: Rig) -> None:
    async with (
        rig.gateway() as one,
        rig.gateway() as two,
        joined(rig, one, *PEOPLE) as (viewer, other, monitor),
        joined(rig, two, PEOPLE[2]) as (elsewhere,),
    ):
        assert (await act(monitor, "remove", comment_id="cm_none"))["code"] == "no_such_comment"
        held = (await viewer.comment("这是最好的"))["comment"]["comment_id"]
        shown = (await viewer.comment("你好"))["comment"]["comment_id"]
        for kind, comment_id in (("release", held), ("remove", shown)):
            both = await asyncio.gather(*(act(who, kind, comment_id=comment_id) for who in (monitor, elsewhere)))
            assert [answer["verdict"] for answer in both] == ["done", "done"]
        await other.next_of("comment_removed", where=lambda event: event["comment_id"] == shown)
    acts = await rig.pool.fetch("SELECT act FROM moderation_acts ORDER BY act_id")
    assert [row["act"] for row in acts] == ["release", "remove"]


@pytest.mark.parametrize(("account_id", "role"), [("ac_guest", "guest"), ("ac_host2", "host"), ("ac_host", "host")])
async def test_a_mute_silences_staff_too(rig: Rig, account_id: str, role: str) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, PEOPLE[2], (account_id, role)) as (monitor, muted):
        assert (await muted.comment("你好"))["verdict"] == "pass"
        assert (await act(monitor, "mute", account_id=account_id, seconds=600))["verdict"] == "done"
        assert (await muted.next_of("restricted"))["kind"] == "muted"
        assert (await muted.comment("还有"))["code"] == "muted"
        if account_id == "ac_host":
            await muted.send(type="announce", id="a", text="请看这里")
            assert (await muted.next_of("error"))["code"] == "muted"


async def test_a_withdrawn_comment_leaves_the_screens_of_every_gateway_in_time(rig: Rig) -> None:
    async with (
        rig.gateway() as one,
        rig.gateway() as two,
        joined(rig, one, PEOPLE[2]) as (monitor,),
        joined(rig, two, PEOPLE[0]) as (viewer,),
    ):
        comment_id = (await viewer.comment("谢谢"))["comment"]["comment_id"]
        started_s = time.monotonic()
        assert (await act(monitor, "remove", comment_id=comment_id))["verdict"] == "done"
        assert (await viewer.next_of("comment_removed"))["comment_id"] == comment_id
        assert time.monotonic() - started_s < 5 * PROMISED_S


def test_a_gateway_that_died_is_counted_for_no_longer_than_promised() -> None:
    lifetime_s = inspect.signature(RedisPresence).parameters["lifetime_s"].default
    assert lifetime_s + RoomTimes().presence_s <= 15
