"""Broadcasts over HTTP, on a real Postgres: lifecycle, maker-checker, who sees what, encoder tokens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from chat.moderation import Moderator
from chat.phrase_list import shipped_phrases
from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.identities import LocalIdentities
from server.broadcasting import Broadcasting
from server.http import broadcasts, encoder_tokens, shelf
from server.http.application import build
from server.http.commerce_errors import commerce_error
from server.ids import new_id
from streaming.broadcast import Broadcast, Transition
from streaming.broadcasts_postgres import PostgresBroadcasts
from tests.commerce.bank import Bank
from tests.server.people import TOKENS, seed_people, session

BASE = "/api/v1/broadcasts"


class Presence:
    """A monitor who is there or not, at the port."""

    seen: datetime | None = None

    async def monitor_last_seen(self, broadcast_id: str, account_id: str) -> datetime | None:
        return self.seen


class Api:
    """A client, and what followed from moves."""

    def __init__(
        self, client: TestClient[Any, Any], presence: Presence, moves: list[str], tokens: EncoderTokens
    ) -> None:
        self.client = client
        self.presence = presence
        self.moves = moves
        self.encoder_tokens = tokens

    async def call(self, method: str, path: str, who: str | None, body: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.client.request(
            method, path, json=body, headers={**(session(who) if who else {}), **headers}
        ) as response:
            return response.status, (await response.json(content_type=None) if response.status != 204 else None)

    async def draft(self, **fields: Any) -> str:
        status, body = await self.call(
            "POST", BASE, "host", {"title": "秋季讲座", "monitor_id": "ac_monitor", **fields}
        )
        assert status == 201, body
        return str(body["broadcast_id"])

    async def move(self, broadcast_id: str, name: str, who: str) -> tuple[int, Any]:
        return await self.call("POST", f"{BASE}/{broadcast_id}/moves", who, {"move": name})

    async def approved(self) -> str:
        broadcast_id = await self.draft()
        assert (await self.move(broadcast_id, "submit", "host"))[0] == 200
        assert (await self.move(broadcast_id, "approve", "checker"))[0] == 200
        return broadcast_id


@pytest.fixture
async def api(pool: asyncpg.Pool) -> AsyncIterator[Api]:
    await seed_people(pool)
    presence, moves = Presence(), list[str]()

    async def moved(broadcast: Broadcast, made: Transition) -> None:
        moves.append(f"{made.move}:{broadcast.state}")

    service = Broadcasting(PostgresBroadcasts(pool), presence, new_id, moved, ZoneInfo("Asia/Shanghai"))
    tokens = EncoderTokens(pool, ttl_s=60)
    commerce = Bank(pool).service
    judge = Moderator(shipped_phrases())
    served = [
        *broadcasts.routes(service, judge, commerce.products.require_on_sale),
        *encoder_tokens.routes(service, tokens, new_id),
    ]
    served += shelf.routes(service, commerce)
    app = build(served, LocalIdentities(TOKENS), (broadcasts.lifecycle_error, commerce_error))
    async with TestClient(TestServer(app)) as client:
        yield Api(client, presence, moves, tokens)


async def test_a_broadcast_goes_from_draft_to_ended_and_each_move_has_its_consequence(api: Api) -> None:
    broadcast_id = await api.approved()
    api.presence.seen = datetime.now(UTC)
    for name in ("schedule", "rehearse", "go_live", "pause", "resume", "end"):
        status, body = await api.move(broadcast_id, name, "host")
        assert status == 200, body
    assert body["state"] == "ended"
    assert body["started_at"]
    assert body["ended_at"]
    assert api.moves[-2:] == ["resume:live", "end:ended"]


async def test_going_live_without_a_monitor_present_says_who_must_do_what(api: Api) -> None:
    broadcast_id = await api.approved()
    status, body = await api.move(broadcast_id, "go_live", "host")
    assert (status, body["code"]) == (409, "not_ready")
    assert body["missing"][0]["code"] == "monitor_absent"
    assert body["missing"][0]["who"] == "周敏"
    status, body = await api.call("GET", f"{BASE}/{broadcast_id}/readiness", "host")
    assert body["ready"] is False
    assert body["missing"][0]["what_to_do"]


async def test_an_illegal_move_answers_with_the_state_and_what_is_allowed(api: Api) -> None:
    broadcast_id = await api.draft()
    status, body = await api.move(broadcast_id, "end", "host")
    assert (status, body["code"], body["state"]) == (409, "illegal_move", "draft")
    assert body["allowed"] == ["cancel", "submit"]


@pytest.mark.parametrize(
    ("who", "move"), [("viewer", "submit"), ("other_host", "submit"), ("host", "approve"), ("guest", "submit")]
)
async def test_a_move_by_the_wrong_person_is_forbidden(api: Api, who: str, move: str) -> None:
    broadcast_id = await api.draft()
    status, body = await api.move(broadcast_id, move, who)
    assert status in (403, 404)
    assert body["code"] in ("forbidden", "no_such_broadcast")


async def test_an_edit_after_approval_voids_it(api: Api) -> None:
    broadcast_id = await api.approved()
    status, body = await api.call("PATCH", f"{BASE}/{broadcast_id}", "host", {"title": "改了"})
    assert (status, body["state"], body["title"]) == (200, "draft", "改了")
    assert body["monitor"]["account_id"] == "ac_monitor"


async def test_the_shelf_is_part_of_what_is_approved(api: Api, pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    for product_id in ("pr_b", "pr_a"):
        await bank.approved(product_id)
    broadcast_id = await api.draft(product_ids=["pr_b", "pr_a", "pr_b"])
    path = f"{BASE}/{broadcast_id}"
    for name, who in (("submit", "host"), ("approve", "checker")):
        assert (await api.move(broadcast_id, name, who))[1]["product_ids"] == ["pr_a", "pr_b"]
    status, body = await api.call("GET", f"{path}/shelf", "checker")
    assert (status, [one["product_id"] for one in body["products"]]) == (200, ["pr_a", "pr_b"]), "by id, no other order"
    status, body = await api.call("PATCH", path, "host", {"product_ids": ["pr_b"]})
    assert (status, body["state"], body["product_ids"]) == (200, "draft", ["pr_b"])
    rows = await pool.fetch("SELECT move, product_ids FROM broadcast_history ORDER BY history_id")
    assert [tuple(row) for row in rows] == [
        ("submit", ["pr_a", "pr_b"]), ("approve", ["pr_a", "pr_b"]), ("edit", ["pr_b"]),
    ]  # fmt: skip


async def test_only_products_on_sale_are_put_on_a_shelf(api: Api, pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    await bank.approved("pr_a")
    broadcast_id = await api.draft(product_ids=["pr_a"])
    path = f"{BASE}/{broadcast_id}"
    status, body = await api.call("PATCH", path, "host", {"product_ids": ["pr_a", "pr_none"]})
    assert (status, body["code"], body["product_ids"]) == (409, "product_not_approved", ["pr_none"])
    for wrong in (["pr_"], ["bc_1"], [f"pr_{n}" for n in range(21)]):
        assert (await api.call("PATCH", path, "host", {"product_ids": wrong}))[1]["code"] == "bad_field"
    await bank.service.products.move("pr_a", "withdraw", "ac_host")
    assert (await api.call("PATCH", path, "host", {"title": "改了"}))[1]["product_ids"] == ["pr_a"]


async def test_viewers_see_the_shelf_while_the_broadcast_is_on_air(api: Api, pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    for product_id in ("pr_b", "pr_a"):
        await bank.approved(product_id)
    broadcast_id = await api.draft(product_ids=["pr_b", "pr_a"])
    path = f"{BASE}/{broadcast_id}/shelf"
    assert (await api.call("GET", path, "viewer"))[0] == 404
    for name, who in (("submit", "host"), ("approve", "checker"), ("schedule", "host")):
        await api.move(broadcast_id, name, who)
    assert (await api.call("GET", path, "viewer"))[1]["code"] == "not_live"
    api.presence.seen = datetime.now(UTC)
    await api.move(broadcast_id, "go_live", "host")
    status, body = await api.call("GET", path, "viewer")
    assert (status, [one["product_id"] for one in body["products"]]) == (200, ["pr_a", "pr_b"])
    assert "maker_id" not in body["products"][0]
    assert (await api.call("PATCH", f"{BASE}/{broadcast_id}", "host", {"product_ids": []}))[1]["code"] == "illegal_move"
    await bank.service.products.move("pr_a", "withdraw", "ac_host")
    products = (await api.call("GET", path, "viewer"))[1]["products"]
    assert [one["product_id"] for one in products] == ["pr_b"]


async def test_nobody_approves_what_they_have_not_read(api: Api) -> None:
    broadcast_id = await api.draft()
    seen = (await api.move(broadcast_id, "submit", "host"))[1]["version"]
    await api.call("PATCH", f"{BASE}/{broadcast_id}", "host", {"title": "改了"})
    await api.move(broadcast_id, "submit", "host")
    approve = {"move": "approve"}
    path = f"{BASE}/{broadcast_id}/moves"
    status, body = await api.call("POST", path, "checker", approve, **{"If-Match": f'"{seen}"'})
    assert (status, body["code"]) == (412, "version_stale")
    read = (await api.call("GET", f"{BASE}/{broadcast_id}", "checker"))[1]["version"]
    assert (await api.call("POST", path, "checker", approve, **{"If-Match": f'"{read}"'}))[0] == 200


async def test_a_stale_edit_is_refused(api: Api) -> None:
    broadcast_id = await api.draft()
    status, body = await api.call("PATCH", f"{BASE}/{broadcast_id}", "host", {"title": "x"}, **{"If-Match": '"7"'})
    assert (status, body["code"]) == (412, "version_stale")


async def test_two_moves_at_once_make_one_transition(api: Api) -> None:
    broadcast_id = await api.draft()
    answers = await asyncio.gather(*(api.move(broadcast_id, "submit", "host") for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert api.moves == ["submit:in_review"]


async def test_viewers_see_no_drafts(api: Api) -> None:
    broadcast_id = await api.approved()
    assert (await api.call("GET", f"{BASE}/{broadcast_id}", "viewer"))[1]["code"] == "no_such_broadcast"
    assert (await api.call("GET", BASE, "viewer"))[1]["broadcasts"] == []
    await api.move(broadcast_id, "schedule", "host")
    assert (await api.call("GET", f"{BASE}/{broadcast_id}", "viewer"))[0] == 200
    listed = (await api.call("GET", f"{BASE}?state=scheduled", "viewer"))[1]["broadcasts"]
    assert [item["broadcast_id"] for item in listed] == [broadcast_id]


async def test_a_list_goes_on_after_its_last_row(api: Api) -> None:
    ids = sorted([await api.draft() for _ in range(3)], reverse=True)
    first = (await api.call("GET", f"{BASE}?mine=true&limit=2", "host"))[1]["broadcasts"]
    rest = (await api.call("GET", f"{BASE}?mine=true&limit=2&after={ids[1]}", "host"))[1]["broadcasts"]
    assert [item["broadcast_id"] for item in first + rest] == ids


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"title": ""}, 422, "bad_field"),
        ({"title": "稳 赚 不 赔的产品"}, 422, "text_refused"),
        ({"title": "x", "summary": "加微信 abc12345"}, 422, "text_refused"),
        ({"title": "x" * 121}, 422, "bad_field"),
        ({"title": "a\x00b"}, 422, "bad_field"),
        ({"title": 7}, 422, "bad_field"),
        ({"title": "x", "colour": "red"}, 422, "bad_field"),
        ({"title": "x", "monitor_id": "ac_host"}, 422, "unknown_person"),
        ({"title": "x", "monitor_id": "nobody"}, 422, "unknown_person"),
        ({"title": "x", "scheduled_at": "2026-12-01T10:00:00"}, 422, "bad_field"),
        ({"title": "x", "scheduled_at": "0001-01-01T00:00:00+14:00"}, 422, "bad_field"),
    ],
)
async def test_a_bad_draft_is_refused_by_code(api: Api, body: Any, status: int, code: str) -> None:
    answer = await api.call("POST", BASE, "host", body)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    async with api.client.post(
        BASE, data=b"{{{", headers=session("host") | {"Content-Type": "application/json"}
    ) as response:
        assert response.status == 400
        assert response.content_type == "application/problem+json"
        assert (await response.json(content_type=None))["code"] == "bad_json"


@pytest.mark.parametrize("query", ["limit=0", "limit=" + "9" * 5000, "limit=x", "after=%00", "after=x", "state=no"])
async def test_a_list_asked_for_badly_is_refused(api: Api, query: str) -> None:
    status, body = await api.call("GET", f"{BASE}?{query}", "host")
    assert (status, body["code"]) == (422, "bad_field")


@pytest.mark.parametrize("broadcast_id", ["bc_none", "xx_none", "bc_%00", "bc_" + "a" * 200, "%F0%9F%90%9F"])
async def test_a_broadcast_that_does_not_exist_is_not_found(api: Api, broadcast_id: str) -> None:
    status, body = await api.call("GET", f"{BASE}/{broadcast_id}", "host")
    assert (status, body["code"]) == (404, "no_such_broadcast")


async def test_without_a_session_nothing_is_read(api: Api) -> None:
    status, body = await api.call("GET", BASE, None)
    assert (status, body["code"]) == (401, "unauthenticated")
    async with api.client.get(BASE, headers={"Authorization": "Bearer nonsense"}) as response:
        assert response.status == 401
        assert (await response.json(content_type=None))["code"] == "bad_token"
    async with api.client.get(BASE, headers=session("host", now_s=1_000)) as response:
        assert (await response.json(content_type=None))["code"] == "token_expired"


async def test_a_token_of_one_broadcast_opens_no_other(api: Api) -> None:
    mine, other = await api.draft(), await api.draft()
    async with api.client.get(f"{BASE}/{mine}", headers=session("host", broadcast_id=mine)) as response:
        assert response.status == 200
    async with api.client.get(f"{BASE}/{other}", headers=session("host", broadcast_id=mine)) as response:
        assert response.status == 403


async def test_an_encoder_token_is_for_one_broadcast_and_ends_when_revoked(api: Api) -> None:
    broadcast_id = await api.draft()
    status, issued = await api.call("POST", f"{BASE}/{broadcast_id}/encoder-tokens", "host")
    assert status == 201
    now = datetime.now(UTC)
    known = await api.encoder_tokens.known(issued["token"], now)
    assert known is not None
    assert (known.token_id, known.broadcast_id) == (issued["token_id"], broadcast_id)
    path = f"{BASE}/{broadcast_id}/encoder-tokens/{issued['token_id']}"
    assert (await api.call("DELETE", path, "other_host"))[0] == 403
    assert (await api.call("DELETE", path, "host"))[0] == 204
    assert await api.encoder_tokens.known(issued["token"], now) is None
    assert (await api.call("DELETE", f"{BASE}/{broadcast_id}/encoder-tokens/et_none", "host"))[0] == 404


async def test_viewers_wait_through_the_rehearsal_of_an_announced_show_and_know_of_no_other(api: Api) -> None:
    silent, announced = await api.approved(), await api.approved()
    assert (await api.move(announced, "schedule", "host"))[0] == 200
    for broadcast_id in (silent, announced):
        assert (await api.move(broadcast_id, "rehearse", "host"))[0] == 200
    assert (await api.call("GET", f"{BASE}/{silent}", "viewer"))[0] == 404
    assert (await api.call("GET", f"{BASE}/{announced}", "viewer"))[0] == 200
    for query in ("", "?state=rehearsal"):
        _, listed = await api.call("GET", BASE + query, "viewer")
        assert [one["broadcast_id"] for one in listed["broadcasts"]] == [announced]
    for who in ("host", "monitor", "checker"):
        assert (await api.call("GET", f"{BASE}/{silent}", who))[0] == 200


async def test_giving_up_the_approval_takes_the_announcement_back(api: Api) -> None:
    broadcast_id = await api.approved()
    for move, who in (("schedule", "host"), ("revise", "host"), ("submit", "host"), ("approve", "checker")):
        assert (await api.move(broadcast_id, move, who))[0] == 200
    assert (await api.move(broadcast_id, "rehearse", "host"))[0] == 200
    assert (await api.call("GET", f"{BASE}/{broadcast_id}", "viewer"))[0] == 404
