"""The pages' modules in a real Chromium: the room's client, money, the reduction of events, sign-in, languages.

The server side is a small fake of the gateway's door, because what it does to the client is what is tested.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from server.http.pages import load_site, routes
from tests.chromium_program import CHROMIUM, needs_chromium

PATIENCE_S = 30.0
pytestmark = [
    pytest.mark.browser,
    needs_chromium,
]
SITE = load_site()
MODULES = f"/static/{SITE.digest}/js"
WELCOME = {
    "type": "welcome", "connection_id": "cn", "server_time_ms": 0, "heartbeat_s": 15, "reconnect_after_ms": 10,
    "you": {"account_id": "ac_a", "nickname": "a", "role": "viewer"}, "points_balance": 5,
    "limits": {"text_chars": 200, "comments_per_10s": 5}, "snapshot": {"comments": []}, "epoch": "e1", "offset": 7,
}  # fmt: skip
OPEN_CLIENT = """
async ({modules}) => {
  const { RoomClient } = await import(modules + "/room_client.js");
  window.events = []; window.statuses = []; window.answers = [];
  window.room = new RoomClient({
    url: `ws://${location.host}/ws`, broadcastId: "bc_a", clientId: "install", lang: "en", token: () => "secret",
    renewToken: async () => {}, onEvent: (event) => events.push(event), onStatus: (status) => statuses.push(status),
  });
  room.open();
}
"""


class Door:
    """What the fake gateway heard, connection by connection, and how it behaves."""

    def __init__(self) -> None:
        self.heard: list[list[dict[str, Any]]] = []
        self.addresses: list[str] = []
        self.close_codes: list[int] = []  # after the first comment of each connection; empty means it is answered
        self.arrived = asyncio.Condition()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["wealthcast.v1.json"])
        await socket.prepare(request)
        mine: list[dict[str, Any]] = []
        self.heard.append(mine)
        self.addresses.append(str(request.url))
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame = message.json()
            async with self.arrived:
                mine.append(frame)
                self.arrived.notify_all()
            await self._answer(socket, frame)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["type"] == "hello":
            await socket.send_json([WELCOME])
        elif self.close_codes:
            await socket.close(code=self.close_codes.pop(0))
        elif "id" in frame:
            await socket.send_json([{"type": "ack", "id": frame["id"], "verdict": "pass"}])

    async def until_connections(self, count: int, frames: int) -> None:
        """Wait until the connection of that number has sent that many frames."""
        async with self.arrived:
            await asyncio.wait_for(
                self.arrived.wait_for(lambda: len(self.heard) >= count and len(self.heard[count - 1]) >= frames),
                PATIENCE_S,
            )


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def origin(door: Door) -> AsyncIterator[str]:
    async def config(request: web.Request) -> web.Response:
        accounts = [{"login": "mei", "password": "right", "role": "viewer", "display_name": "小梅"}]
        body = {"gateway_url": f"ws://{request.host}/ws", "demo": True, "demo_accounts": accounts}
        return web.json_response({**body, "version": "0"})

    async def sign_in(request: web.Request) -> web.Response:
        problem = {"type": "about:blank", "title": "Not signed in", "status": 401, "code": "bad_credentials"}
        return web.json_response(problem, status=401, content_type="application/problem+json")

    application = web.Application()
    application.add_routes(routes(lambda request: f"ws://{request.host}/ws", SITE))
    application.add_routes([web.get("/ws", door.serve), web.get("/api/v1/config", config)])
    application.add_routes([web.post("/api/v1/sessions", sign_in)])
    async with TestServer(application) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture
async def page(browser: Browser, origin: str) -> AsyncIterator[Page]:
    """A page, closed before the server is, which would else wait for its sockets."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})
    context.set_default_timeout(PATIENCE_S * 1000)
    yield await context.new_page()
    await context.close()


def complaints(page: Page) -> list[str]:
    """Collect what the page complains of from now on: errors, and refusals of the policy among them."""
    found: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.mark.parametrize("path", ["/", "/watch/bc_a", "/console", "/monitor", "/monitor/bc_a"])
async def test_page_asks_for_sign_in_without_one_complaint_of_the_browser(page: Page, origin: str, path: str) -> None:
    found = complaints(page)
    await page.goto(origin + path)
    await expect(page.get_by_test_id("login-submit")).to_be_visible()
    assert found == []


async def test_wrong_password_is_told_in_words_and_the_form_stays(page: Page, origin: str) -> None:
    await page.goto(origin + "/watch/bc_a")
    await page.get_by_test_id("login-name").fill("mei")
    await page.get_by_test_id("login-password").fill("wrong")
    await page.get_by_test_id("login-submit").click()
    await expect(page.get_by_test_id("login-error")).to_have_text("用户名或密码不正确")
    await expect(page.get_by_test_id("login-submit")).to_be_enabled()


async def test_language_follows_the_browser_and_switches_by_hand_for_good(page: Page, origin: str) -> None:
    await page.goto(origin + "/console")
    await expect(page.get_by_role("heading", name="登录")).to_be_visible()
    await page.get_by_test_id("language").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "en"


async def test_money_is_read_and_written_exactly(page: Page, origin: str) -> None:
    await page.goto(origin + "/")
    texts = ["10000", "10,000.5", "0.07", "１００", "1.005", "-1", "1e3", "", "9007199254740991", "90071992547409.91"]
    read = await page.evaluate(
        "async ([modules, texts]) => { const m = await import(modules + '/money.js');"
        " return texts.map((one) => m.parseAmount(one, 'CNY')); }",
        [MODULES, texts],
    )
    assert read == [1_000_000, 1_000_050, 7, 10_000, None, None, None, None, None, 9_007_199_254_740_991]
    written = await page.evaluate(
        "async (modules) => { const m = await import(modules + '/money.js');"
        " return [m.formatMoney(123456789, 'CNY'), m.formatMoney(100, 'CNY', {short: true}), m.toInput(1050, 'CNY'),"
        " m.formatMoney(7, 'CNY'), m.formatMoney(1234, 'JPY')]; }",
        MODULES,
    )
    assert written == ["¥1,234,567.89", "¥1", "10.50", "¥0.07", "JP¥1,234"]


async def test_unacknowledged_comment_is_sent_again_with_the_same_id(page: Page, origin: str, door: Door) -> None:
    door.close_codes = [4001]
    await page.goto(origin + "/")
    await page.evaluate(OPEN_CLIENT, {"modules": MODULES})
    await page.evaluate("room.comment('hello', 'comment').then((ack) => answers.push(ack.verdict)), undefined")
    await door.until_connections(2, 2)
    first, second = door.heard[0][1], door.heard[1][1]
    assert first == second
    assert first["text"] == "hello"
    await comes_true(page, "answers.length > 0")
    assert await page.evaluate("answers") == ["pass"]
    assert "secret" not in "".join(door.addresses)
    assert door.heard[1][0]["token"] == "secret"
    assert (door.heard[1][0]["epoch"], door.heard[1][0]["offset"]) == ("e1", 7)  # a return begins where it ended


OPEN_KEPT = """
async ({modules, account}) => {
  const { RoomClient } = await import(modules + "/room_client.js");
  const { KeptPlace } = await import(modules + "/kept_place.js");
  window.shown = ["nothing"];
  window.place = new KeptPlace({
    storage: localStorage, broadcastId: "bc_a", accountId: account, shown: () => ({ comments: shown }),
  });
  window.kept = place.last;
  window.room = new RoomClient({
    url: `ws://${location.host}/ws`, broadcastId: "bc_a", clientId: "install", lang: "en", token: () => "secret", place,
    renewToken: async () => {}, onEvent: (event) => { if (event.type === "welcome") shown = ["what came"]; },
    onStatus: (status) => { window.phase = status.phase; },
  });
  room.open();
}
"""
IS_KEPT = "JSON.parse(localStorage.getItem('wealthcast.place.ac_a.bc_a'))?.reached?.offset === 7"


async def comes_true(page: Page, expression: str) -> None:
    """Ask until it is so; the page's policy forbids the browser's own way, which evaluates text."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await page.evaluate(expression):
                return
            await asyncio.sleep(0.1)


async def test_after_the_app_was_killed_it_goes_on_where_it_was_with_what_it_showed(
    page: Page, origin: str, door: Door
) -> None:
    await page.goto(origin + "/")
    await page.evaluate(OPEN_KEPT, {"modules": MODULES, "account": "ac_a"})
    assert await page.evaluate("kept") is None
    await comes_true(page, IS_KEPT)
    await page.evaluate("room.like(3), room.like(2)")
    await door.until_connections(1, 3)
    await page.goto("about:blank")  # nothing is said to the page, as when the system kills an app
    await page.goto(origin + "/")
    await page.evaluate(OPEN_KEPT, {"modules": MODULES, "account": "ac_a"})
    assert (await page.evaluate("kept"))["shown"] == {"comments": ["what came"]}
    await door.until_connections(2, 2)
    hello, like = door.heard[1]
    assert (hello["epoch"], hello["offset"]) == ("e1", 7)
    assert like == {"type": "like", "count": 3}


async def test_a_kept_place_is_one_persons_and_goes_with_the_room(page: Page, origin: str, door: Door) -> None:
    await page.goto(origin + "/")
    await page.evaluate(OPEN_KEPT, {"modules": MODULES, "account": "ac_a"})
    await comes_true(page, IS_KEPT)
    await page.evaluate("room.like(3)")
    await page.evaluate(OPEN_KEPT, {"modules": MODULES, "account": "ac_b"})
    await door.until_connections(2, 1)
    assert "epoch" not in door.heard[1][0]
    assert await page.evaluate("[kept, place.likes]") == [None, 0]
    door.close_codes = [4504]
    await page.evaluate(OPEN_KEPT, {"modules": MODULES, "account": "ac_a"})  # its likes are answered by the end
    await comes_true(page, "window.phase === 'closed'")
    assert await page.evaluate("localStorage.getItem('wealthcast.place.ac_a.bc_a')") == '{"likes":3}'


async def test_final_close_code_is_not_answered_by_coming_back(page: Page, origin: str, door: Door) -> None:
    door.close_codes = [4504]
    await page.goto(origin + "/")
    await page.evaluate(OPEN_CLIENT, {"modules": MODULES})
    refused = await page.evaluate("room.comment('hello', 'comment').catch((error) => error.code)")
    assert refused == "connection_lost"
    last = await page.evaluate("statuses.at(-1)")
    assert (last["phase"], last["code"]) == ("closed", 4504)
    await asyncio.sleep(0.5)  # many times the 10 ms after which it would have come back
    assert len(door.heard) == 1


async def test_pin_is_not_repeated_because_only_the_server_knows(page: Page, origin: str, door: Door) -> None:
    door.close_codes = [4001]
    await page.goto(origin + "/")
    await page.evaluate(OPEN_CLIENT, {"modules": MODULES})
    await door.until_connections(1, 1)
    await page.evaluate(
        "new Promise((done) => { const look = () => statuses.at(-1).phase === 'open' ? done() : setTimeout(look, 20);"
        " look(); })"
    )
    assert await page.evaluate("room.pin('cm_1').catch((error) => error.code)") == "connection_lost"
    await door.until_connections(2, 1)
    assert [frame["type"] for frame in door.heard[1]] == ["hello"]


async def test_room_state_counts_each_comment_once_and_lets_no_total_fall(page: Page, origin: str) -> None:
    await page.goto(origin + "/")
    author = {"account_id": "ac_a", "nickname": "a", "role": "viewer"}
    comment = {"comment_id": "cm_1", "kind": "comment", "author": author, "text": "x", "at_ms": 1}
    card = {"product_id": "pr_a", "card_version": 1, "quota_left_minor": 10, "quota_total_minor": 10}
    events = [
        {"type": "ack", "id": "1", "verdict": "hold", "comment": {**comment, "verdict": "hold"}},
        {"type": "comment", **comment},
        {"type": "ack", "id": "2", "verdict": "block", "comment": {**comment, "comment_id": "cm_2"}},
        {"type": "likes", "total": 9},
        {"type": "likes", "total": 7},
        {"type": "card_shown", "card": card},
        {"type": "quota", "product_id": "pr_a", "left_minor": 4, "total_minor": 10, "currency": "CNY"},
        {"type": "quota", "product_id": "pr_other", "left_minor": 1, "total_minor": 10, "currency": "CNY"},
        {"type": "something_new", "whatever": True},
    ]
    state = await page.evaluate(
        "async ([modules, events]) => { const { reduce, EMPTY } = await import(modules + '/room_state.js');"
        " return events.reduce((state, event) => reduce(state, event, 0), EMPTY); }",
        [MODULES, events],
    )
    assert [one["comment_id"] for one in state["comments"]] == ["cm_1"]
    assert "verdict" not in state["comments"][0]
    assert state["likes"] == 9
    assert state["card"]["quota_left_minor"] == 4
    over = await page.evaluate(
        "async ([modules, state]) => { const { reduce } = await import(modules + '/room_state.js');"
        " return reduce(state, {type: 'state', state: 'terminated', publisher: 'none', stream_time_ms: 5}, 0); }",
        [MODULES, state],
    )
    assert over["card"] is None
    assert over["tipsEnabled"] is False


async def test_a_recovered_return_keeps_what_is_shown(page: Page, origin: str) -> None:
    await page.goto(origin + "/")
    comment = {"comment_id": "cm_1", "author": {}, "text": "x", "at_ms": 1}
    events = [
        {**WELCOME, "snapshot": {"comments": [comment], "state": "live", "likes": 3}},
        {**WELCOME, "recovered": True, "snapshot": None, "points_balance": 4},
        {"type": "likes", "total": 5},
    ]
    state = await page.evaluate(
        "async ([modules, events]) => { const { reduce, EMPTY } = await import(modules + '/room_state.js');"
        " return events.reduce((state, event) => reduce(state, event, 0), EMPTY); }",
        [MODULES, events],
    )
    assert [one["comment_id"] for one in state["comments"]] == ["cm_1"]
    assert (state["state"], state["likes"], state["points"]) == ("live", 5, 4)


async def test_a_page_that_stayed_through_a_loss_shows_the_fresh_snapshot_and_its_own_held_words(
    page: Page, origin: str
) -> None:
    await page.goto(origin + "/")
    kept: dict[str, Any] = {"comment_id": "cm_2", "author": {}, "text": "x", "at_ms": 2}
    withdrawn = {**kept, "comment_id": "cm_1", "at_ms": 1}
    held = {**kept, "comment_id": "cm_3", "author": {"account_id": "ac_a"}, "at_ms": 3}
    others = {**kept, "comment_id": "cm_4", "author": {"account_id": "ac_b"}, "verdict": "hold"}
    talk = {"rules": {"muted_all": True, "slow_s": 0}, "question": kept, "announcement": {"text": "soon"}}
    poll = {"poll_id": "pl_1", "open": True}
    events = [
        {**WELCOME, "snapshot": {"comments": [withdrawn], "state": "live", "card": {"product_id": "pr_a"}}},
        {"type": "ack", "id": "1", "verdict": "hold", "comment": held},
        {"type": "comment", **others},
        {"type": "snapshot", "snapshot": {"comments": [kept], "state": "live", "talk": {**talk, "poll": poll}}},
    ]
    state = await page.evaluate(
        "async ([modules, events]) => { const { reduce, EMPTY } = await import(modules + '/room_state.js');"
        " return events.reduce((state, event) => reduce(state, event, 0), EMPTY); }",
        [MODULES, events],
    )
    assert [one["comment_id"] for one in state["comments"]] == ["cm_2", "cm_3"]
    assert (state["card"], state["question"], state["poll"]) == (None, kept, poll)
    assert (state["rules"]["muted_all"], state["announcement"]["text"], state["points"]) == (True, "soon", 5)


async def test_a_page_says_that_talk_rests_until_something_is_told_again(page: Page, origin: str) -> None:
    await page.goto(origin + "/")
    reduced = (
        "async ([modules, events]) => { const { reduce, EMPTY } = await import(modules + '/room_state.js');"
        " return events.reduce((state, event) => reduce(state, event, 0), EMPTY).talkAway; }"
    )
    away = [WELCOME, {"type": "error", "id": "m", "code": "unavailable", "retry_after_ms": 1000}]
    comment = {"type": "comment", "comment_id": "cm_1", "author": {}, "text": "x", "at_ms": 1}
    assert await page.evaluate(reduced, [MODULES, away])
    assert await page.evaluate(reduced, [MODULES, [*away, {"type": "presence", "online": 3}]])
    for back in (comment, {"type": "ack", "id": "m", "verdict": "done"}, WELCOME):
        assert not await page.evaluate(reduced, [MODULES, [*away, back]])
    refused = [WELCOME, {"type": "error", "id": "m", "code": "rate_limited", "retry_after_ms": 1000}]
    assert not await page.evaluate(reduced, [MODULES, refused])


async def test_a_page_says_why_the_sale_stopped_and_believes_no_old_news_after_the_end(page: Page, origin: str) -> None:
    await page.goto(origin + "/")
    card = {"product_id": "pr_a"}
    reduced = (
        "async ([modules, events]) => { const { reduce, EMPTY } = await import(modules + '/room_state.js');"
        " return events.reduce((state, event) => reduce(state, event, 0), EMPTY); }"
    )
    shown = [{"type": "state", "state": "live"}, {"type": "card_shown", "card": card}]
    for reason, stopped in (("monitor_absent", "monitor_absent"), ("recording_unavailable",) * 2, ("口径不符", None)):
        pulled = [*shown, {"type": "card_pulled", "product_id": "pr_a", "reason": reason}]
        assert (await page.evaluate(reduced, [MODULES, pulled]))["saleStopped"] == stopped
        again = await page.evaluate(reduced, [MODULES, [*pulled, {"type": "card_shown", "card": card}]])
        assert again["saleStopped"] is None
        joined = [{**WELCOME, "snapshot": {"comments": [], "sale_stopped": reason}}]
        assert (await page.evaluate(reduced, [MODULES, joined]))["saleStopped"] == stopped
    late = [*shown, {"type": "state", "state": "terminated"}, {"type": "state", "state": "live"}]
    assert (await page.evaluate(reduced, [MODULES, late]))["state"] == "terminated"
