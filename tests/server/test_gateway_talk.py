"""Questions, official answers, announcements and polls over real sockets, gateways, Valkey and Postgres."""

from typing import Any

import asyncpg
import pytest
import redis.asyncio

from tests.chat import fakes
from tests.server.gateway_rig import Client, Rig, connected, joined

PEOPLE = (("ac_viewer", "viewer"), ("ac_other", "viewer"), ("ac_host", "host"))


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


async def say(client: Client, kind: str, message_id: str = "", **fields: Any) -> dict[str, Any]:
    message_id = message_id or kind
    await client.send(type=kind, id=message_id, **fields)
    return await client.next_of("ack", "error", where=lambda event: event.get("id") == message_id)


async def test_a_question_is_picked_and_answered_with_name_and_licence(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def licensed(broadcast_id: str, state: str) -> dict[str, Any]:
        host = {"account_id": "ac_host", "display_name": "林晓", "licence_no": "F301"}
        return {"broadcast_id": broadcast_id, "title": "x", "state": state, "host": host}

    monkeypatch.setattr(fakes, "broadcast_view", licensed)
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE) as (viewer, other, host):
        asked = (await viewer.comment("封闭期多久？", kind="question"))["comment"]["comment_id"]
        assert (await say(other, "pick", comment_id=asked))["code"] == "forbidden"
        assert (await say(host, "pick", comment_id=asked))["verdict"] == "done"
        picked = await other.next_of("question")
        assert (picked["state"], picked["comment"]["comment_id"]) == ("picked", asked)
        assert (await say(host, "answer", comment_id=asked, text="保本保息"))["code"] == "text_refused"
        assert (await say(host, "answer", "a2", comment_id=asked, text="封闭期 180 天。"))["verdict"] == "done"
        answer = await other.next_of("answer")
        assert answer["by"] == {"account_id": "ac_host", "display_name": "林晓", "licence_no": "F301"}
        assert (answer["text"], answer["comment"]["comment_id"]) == ("封闭期 180 天。", asked)
        assert (await other.next_of("question"))["state"] == "answered"
        assert (await say(host, "answer", "a2", comment_id=asked, text="封闭期 180 天。"))["verdict"] == "done"
        assert (await say(viewer, "answer", text="我来说", comment_id=None))["code"] == "forbidden"
    acts = [row[0] for row in await rig.pool.fetch("SELECT act FROM moderation_acts ORDER BY act_id")]
    assert acts == ["pick", "answer"]


async def test_an_answer_without_a_licence_is_refused(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, PEOPLE[2]) as (host,):
        assert (await say(host, "answer", comment_id=None, text="封闭期 180 天。"))["code"] == "forbidden"


async def test_an_announcement_reaches_all_and_those_who_join_later(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, *PEOPLE) as (viewer, other, host):
        assert (await say(viewer, "announce", text="x"))["code"] == "forbidden"
        assert (await say(host, "announce", text="稳赚不赔"))["code"] == "text_refused"
        assert (await say(host, "announce", "n2", text="今晚八点继续"))["verdict"] == "done"
        assert (await other.next_of("announcement"))["text"] == "今晚八点继续"
        async with connected(gateway) as late:
            welcome = await late.hello(rig.authenticator.issue("ac_late"))
            seen = [event["text"] for event in late.events if event["type"] == "announcement"]
            kept = welcome["snapshot"]["talk"]["announcement"]
            assert "今晚八点继续" in (seen or [kept["text"]])


async def test_a_poll_counts_one_vote_a_customer_over_all_gateways(rig: Rig) -> None:
    async with (
        rig.gateway() as one,
        rig.gateway() as two,
        joined(rig, one, *PEOPLE) as (viewer, other, host),
        joined(rig, two, ("ac_far", "viewer")) as (far,),
    ):
        assert (await say(viewer, "poll.open", question="?", options=["a", "b"]))["code"] == "forbidden"
        assert (await say(host, "poll.open", "p0", question="想听什么", options=["保本", "债券"]))["code"] == (
            "text_refused"
        )
        assert (await say(host, "poll.open", "p0", question="想听什么", options=["债券", "债券"]))["code"] == (
            "bad_options"
        )
        assert (await say(host, "poll.open", "p1", question="想听什么", options=["债券", "基金"]))["verdict"] == "done"
        assert (await say(host, "poll.open", "p2", question="再来", options=["一", "二"]))["code"] == "poll_open"
        poll = (await far.next_of("poll"))["poll"]
        assert (poll["votes"], poll["open"]) == ([0, 0], True)
        poll_id = poll["poll_id"]
        for client, choice in ((viewer, 0), (viewer, 0), (other, 1), (far, 1)):
            assert (await say(client, "vote", poll_id=poll_id, choice=choice))["verdict"] == "done"
        assert (await say(viewer, "vote", "v2", poll_id=poll_id, choice=1))["code"] == "already_voted"
        assert (await say(far, "vote", "v3", poll_id="pl_none", choice=1))["code"] == "no_such_poll"
        await far.next_of("poll_tally", where=lambda event: event["votes"] == [1, 2])
        assert (await say(host, "poll.close", poll_id=poll_id))["verdict"] == "done"
        closed = await far.next_of("poll", where=lambda event: not event["poll"]["open"])
        assert closed["poll"]["votes"] == [1, 2]
        async with connected(two) as late:
            welcome = await late.hello(rig.authenticator.issue("ac_late"))
            assert welcome["snapshot"]["talk"]["poll"]["votes"] == [1, 2]
            assert (await say(late, "vote", poll_id=poll_id, choice=1))["code"] == "poll_closed"
