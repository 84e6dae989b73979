"""The room's client in a real Chromium: what it repeats, where it goes on, when it stays away."""

import asyncio

import pytest
from playwright.async_api import Page

from tests.chromium_program import needs_chromium
from tests.pages.door import MODULES, PATIENCE_S, Door

pytestmark = [pytest.mark.browser, needs_chromium]
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
