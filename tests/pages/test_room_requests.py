"""What a page asks of the room, in a real Chromium: said again under one id until it is known what became of it."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.chromium_program import needs_chromium
from tests.pages.door import MODULES, Door
from tests.pages.test_room_client import OPEN_CLIENT, comes_true

pytestmark = [pytest.mark.browser, needs_chromium]
AWAY = {"code": "unavailable", "retry_after_ms": 20}
LATER = {"code": "unavailable", "retry_after_ms": 60_000}
SHOW = """
async ({modules, what}) => {
  const { html, render, useState } = await import(modules + "/ui/html.js");
  const { TipSheet } = await import(modules + "/viewer/tip_sheet.js");
  const { useTip } = await import(modules + "/viewer/use_tip.js");
  const { Composer } = await import(modules + "/ui/composer.js");
  const say = (text) => answers.push(text);
  function Tips() {
    const [open, setOpen] = useState(true);
    const tip = useTip({ client: room, broadcastId: "bc_a", say });
    const shown = { points: 500, tipsEnabled: true };
    return html`<button onClick=${() => setOpen(true)} data-testid="open">open</button>
      ${open && html`<${TipSheet} room=${shown} tip=${tip} onClose=${() => setOpen(false)} />`}`;
  }
  const limits = { text_chars: 200 };
  const shown = what === "tips" ? html`<${Tips} />` : html`<${Composer} limits=${limits} client=${room} say=${say} />`;
  render(shown, document.body);
}
"""


@pytest.fixture
async def room(page: Page, origin: str, door: Door) -> Page:
    """A page whose client was welcomed; its requests are made as `window.room`."""
    await page.goto(origin + "/")
    await page.evaluate(OPEN_CLIENT, {"modules": MODULES})
    await comes_true(page, "statuses.at(-1)?.phase === 'open'")
    return page


async def outcome(page: Page, request: str) -> Any:
    return await page.evaluate(f"{request}.then((ack) => ack.verdict, (error) => [error.code, error.outcomeUnknown])")


async def test_what_may_have_been_done_is_said_again_with_its_id(room: Page, door: Door) -> None:
    for number, request in enumerate(("room.tip(10)", "room.comment('hello', 'comment')")):
        door.replies = [AWAY, AWAY]
        assert await outcome(room, request) == "pass"
        first, *others = door.asked()[3 * number :]
        assert others == [first, first]


async def test_a_second_ask_says_nothing_new_and_a_reconnection_says_it_again(room: Page, door: Door) -> None:
    door.replies = [LATER]
    await room.evaluate(
        "Promise.all([room.tip(10, 'one'), room.tip(10, 'one')]).then((acks) => answers.push(...acks)), undefined"
    )
    await comes_true(room, "events.some((event) => event.code === 'unavailable')")
    await door.sockets[0].close(code=4001)
    await comes_true(room, "answers.length === 2")
    assert [frame["id"] for frame in door.asked()] == ["one", "one"]


async def test_tries_are_bounded_and_only_the_ledger_settles_what_is_in_doubt(room: Page, door: Door) -> None:
    door.replies = [{"code": "rate_limited", "retry_after_ms": 20}]
    assert await outcome(room, "room.tip(10)") == ["rate_limited", False]  # never in doubt
    assert len(door.asked()) == 1
    shut = {"code": "tips_disabled", "retry_after_ms": 1}
    door.replies = [{**AWAY, "retry_after_ms": 1}, *[shut] * 5]
    assert await outcome(room, "room.tip(10, 'one')") == ["outcome_unknown", True]
    door.replies = [shut, {"code": "insufficient_points"}]
    assert await outcome(room, "room.tip(10, 'one')") == ["insufficient_points", False]
    assert [frame["id"] for frame in door.asked()[1:]] == ["one"] * 8


async def test_what_is_never_answered_ends_by_time(page: Page, origin: str, door: Door) -> None:
    await page.clock.install()
    await page.goto(origin + "/")
    await page.evaluate(OPEN_CLIENT, {"modules": MODULES})
    await comes_true(page, "statuses.at(-1)?.phase === 'open'")
    door.replies = [None, None]
    await page.evaluate(
        "room.act({ type: 'poll.open', question: '?', options: ['one'] }).catch((error) => answers.push(error.code)),"
        " room.comment('hello', 'comment').then((ack) => answers.push(ack.verdict)), undefined"
    )
    await door.until_connections(1, 3)
    await page.clock.run_for(21_000)
    await comes_true(page, "answers.length === 2")
    assert await page.evaluate("answers") == ["timeout", "pass"]
    poll, said, again = door.asked()
    assert (poll["type"], said) == ("poll.open", again)


async def test_a_tip_is_seen_pending_and_a_second_tap_gives_nothing_new(room: Page, door: Door) -> None:
    door.replies = [LATER]
    await room.evaluate(SHOW, {"modules": MODULES, "what": "tips"})
    await room.get_by_test_id("tip-send").click()
    await expect(room.get_by_test_id("tip-send")).to_have_text("正在送出…")
    await room.keyboard.press("Escape")
    await expect(room.get_by_test_id("tip-sheet")).to_have_count(0)
    await room.get_by_test_id("open").click()
    await expect(room.get_by_test_id("tip-send")).to_be_disabled()
    await room.evaluate("document.querySelector('[data-testid=tip-send]').click()")
    await door.sockets[0].close(code=4001)  # the next welcome says it again at once
    await comes_true(room, "answers.length === 1")
    first, second = door.asked()
    assert first == second


async def test_a_tip_given_up_is_asked_for_again_under_its_id(room: Page, door: Door) -> None:
    door.replies = [{**AWAY, "retry_after_ms": 1}] * 6
    await room.evaluate(SHOW, {"modules": MODULES, "what": "tips"})
    await room.get_by_test_id("tip-send").click()
    await expect(room.get_by_test_id("refusal")).to_have_attribute("data-code", "outcome_unknown")
    await expect(room.get_by_test_id("refusal")).to_contain_text("再试一次不会重复")
    await room.get_by_test_id("tip-send").click()
    await expect(room.get_by_test_id("tip-sheet")).to_have_count(0)
    assert len({frame["id"] for frame in door.asked()}) == 1


async def test_a_comment_stays_in_the_box_until_it_is_settled(room: Page, door: Door) -> None:
    door.replies = [LATER]
    await room.evaluate(SHOW, {"modules": MODULES, "what": "talk"})
    box = room.get_by_test_id("comment-input")
    await box.fill("你好")
    await box.press("Enter")
    await expect(room.get_by_test_id("comment-pending")).to_have_text("发送中…")
    await box.press("Enter")
    await expect(box).to_have_value("你好")
    await expect(box).not_to_be_editable()
    await door.sockets[0].close(code=4001)
    await expect(box).to_have_value("")
    await expect(box).to_be_editable()
    first, second = door.asked()
    assert first == second


async def test_a_page_loaded_anew_asks_again_under_the_same_id_until_it_is_answered(page: Page, origin: str) -> None:
    once = """
    async ({modules, known}) => {
      const { underOneId } = await import(modules + "/one_id.js");
      let asked;
      await underOneId("tip bc_a 10", async (id) => {
        asked = id;
        if (!known) throw Object.assign(new Error(), { outcomeUnknown: true });
      }).catch(() => {});
      return asked;
    }
    """
    asked = []
    for known in (False, True, True):
        await page.goto(origin + "/")
        asked.append(await page.evaluate(once, {"modules": MODULES, "known": known}))
    assert asked[0] == asked[1] != asked[2]
