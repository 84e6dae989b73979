"""Figures, moderation queue, questions and polls over HTTP, on real tables."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from aiohttp.test_utils import TestClient, TestServer

from chat.acts import Act
from chat.restrictions import EVERYWHERE, Restriction
from chat.talk_store import NewPoll
from server.app import Parts
from server.public_http import public_application
from server.settings import load_settings
from streaming.broadcast import Draft
from tests.chat.test_stores import record
from tests.commerce.bank import DATA_KEYS
from tests.server.people import TOKENS, seed_people, session

PATH = "/api/v1/broadcasts/bc_1"
NOW = datetime.now(UTC)


@pytest.fixture
async def parts(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> AsyncIterator[Parts]:
    await seed_people(pool)
    settings = load_settings(
        database_url="postgres://unused",
        redis_url="redis://unused",
        jwt_secret=TOKENS.secret,
        data_keys=DATA_KEYS,
        roles=("api",),
    )
    parts = Parts(settings, pool, redis_client)
    await parts.store.create("bc_1", "ac_host", Draft("x", "", "ac_host", "ac_monitor", None), NOW)
    await pool.execute("UPDATE broadcasts SET state = 'live'")
    yield parts
    parts.passwords.close()


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(public_application(parts))) as client:
        yield client


async def got(client: TestClient[Any, Any], what: str, name: str) -> tuple[int, Any]:
    async with client.get(f"{PATH}/{what}", headers=session(name)) as response:
        return response.status, await response.json(content_type=None)


async def keep(parts: Parts, **fields: object) -> str:
    kept = record(**fields)
    await parts.archive._insert([kept])  # without the background task
    return kept.comment_id


async def test_the_queue_shows_held_reported_acts_and_restricted(client: TestClient[Any, Any], parts: Parts) -> None:
    held = await keep(parts, verdict="hold", audience="staff", reasons=("superlative",))
    shown = await keep(parts)
    act = Act("ac_monitor", "abuse", NOW)
    for who in ("ac_viewer", "ac_viewer2"):
        await parts.moderation.report("bc_1", shown, who, "rude", NOW)
    await parts.moderation.report("bc_1", None, "ac_viewer", "dull", NOW)
    until_s = (NOW + timedelta(hours=1)).timestamp()
    await parts.moderation.restrict(Restriction("mute", "bc_1", "ac_viewer", until_s), "bc_1", act, lifts=False)
    await parts.moderation.restrict(Restriction("ban", EVERYWHERE, "ac_viewer2", None), "bc_1", act, lifts=False)
    status, body = await got(client, "moderation", "monitor")
    assert status == 200
    assert [one["comment_id"] for one in body["held"]] == [held]
    assert [(one["comment"] and one["comment"]["comment_id"], one["count"]) for one in body["reports"]] == [
        (shown, 2),
        (None, 1),
    ]
    assert [one["act"] for one in body["acts"]] == ["ban", "mute"]
    assert {(one["kind"], one["account_id"]) for one in body["restricted"]} == {
        ("mute", "ac_viewer"),
        ("ban", "ac_viewer2"),
    }
    await parts.moderation.release("bc_1", shown, act)
    await parts.moderation.release("bc_1", held, act)
    _, body = await got(client, "moderation", "host")
    assert (body["held"], [one["comment"] for one in body["reports"]]) == ([], [None])
    assert (await got(client, "moderation", "other_host"))[0] == 403
    assert (await got(client, "moderation", "viewer"))[0] == 403


async def test_questions_and_polls_are_listed(client: TestClient[Any, Any], parts: Parts) -> None:
    asked = await keep(parts, kind="question")
    await parts.talk.pick("bc_1", asked, "ac_host", NOW)
    await parts.talk.open_poll(NewPoll("pl_1", "bc_1", "?", ("a", "b"), "ac_host", "m", NOW))
    await parts.talk.vote("bc_1", "pl_1", "ac_viewer", 1, NOW)
    _, body = await got(client, "questions", "viewer")
    assert [(one["comment"]["comment_id"], one["state"]) for one in body["questions"]] == [(asked, "picked")]
    _, body = await got(client, "polls", "viewer")
    assert body["polls"] == [{"poll_id": "pl_1", "question": "?", "options": ["a", "b"], "votes": [0, 1], "open": True}]


async def test_questions_and_polls_are_read_page_by_page(client: TestClient[Any, Any], parts: Parts) -> None:
    asked = [await keep(parts, kind="question") for _ in range(3)]
    for poll_id in ("pl_1", "pl_2", "pl_3"):
        await parts.talk.open_poll(NewPoll(poll_id, "bc_1", "?", ("a", "b"), "ac_host", poll_id, NOW))
        await parts.talk.close_poll("bc_1", poll_id, "ac_host", NOW)
    for what, newest_first in (("questions", asked[::-1]), ("polls", ["pl_3", "pl_2", "pl_1"])):
        _, first = await got(client, f"{what}?limit=2", "viewer")
        _, last = await got(client, first["next"].split("/")[-1], "viewer")
        pages = [[one.get("poll_id") or one["comment"]["comment_id"] for one in page[what]] for page in (first, last)]
        assert (pages, last["next"]) == ([newest_first[:2], newest_first[2:]], None)


async def test_figures_are_for_staff(client: TestClient[Any, Any]) -> None:
    status, body = await got(client, "figures", "operator")
    assert (status, body["views"], body["online"], body["average_watch_s"]) == (200, 0, 0, 0.0)
    assert (await got(client, "figures", "viewer"))[0] == 403


async def test_a_report_is_for_the_shows_host_and_for_who_checks(client: TestClient[Any, Any]) -> None:
    for name, status in (
        ("host", 200),
        ("monitor", 200),
        ("checker", 200),
        ("other_host", 403),
        ("guest", 403),
        ("operator", 403),
        ("viewer", 403),
    ):
        assert (await got(client, "report", name))[0] == status, name
    async with client.get(f"{PATH}/report.csv?table=managers", headers=session("monitor")) as response:
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="bc_1-managers.csv"'
        assert (await response.read()).startswith("﻿直播场次".encode())
    assert (await got(client, "report.csv?table=customers", "monitor"))[0] == 422
