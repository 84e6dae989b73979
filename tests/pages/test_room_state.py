"""The reduction of events to what a page shows, in a real Chromium."""

from typing import Any

import pytest
from playwright.async_api import Page

from tests.chromium_program import needs_chromium
from tests.pages.door import MODULES, WELCOME

pytestmark = [pytest.mark.browser, needs_chromium]
REDUCED = """async ([modules, events]) => {
  const { reduce, EMPTY } = await import(modules + "/room_state.js");
  return events.reduce((state, event) => reduce(state, event, 0), EMPTY);
}"""


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
    state = await page.evaluate(REDUCED, [MODULES, events])
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
    state = await page.evaluate(REDUCED, [MODULES, events])
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
    state = await page.evaluate(REDUCED, [MODULES, events])
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
    restored = {"type": "snapshot", "snapshot": {"comments": [comment], "state": "live"}}
    assert await page.evaluate(reduced, [MODULES, away])
    assert await page.evaluate(reduced, [MODULES, [*away, {"type": "presence", "online": 3}]])
    for back in (comment, restored, {"type": "ack", "id": "m", "verdict": "done"}, WELCOME):
        assert not await page.evaluate(reduced, [MODULES, [*away, back]])
    refused = [WELCOME, {"type": "error", "id": "m", "code": "rate_limited", "retry_after_ms": 1000}]
    assert not await page.evaluate(reduced, [MODULES, refused])


async def test_a_page_says_why_the_sale_stopped_and_believes_no_old_news_after_the_end(page: Page, origin: str) -> None:
    await page.goto(origin + "/")
    card = {"product_id": "pr_a"}
    shown = [{"type": "state", "state": "live"}, {"type": "card_shown", "card": card}]
    for reason, stopped in (("monitor_absent", "monitor_absent"), ("recording_unavailable",) * 2, ("口径不符", None)):
        pulled = [*shown, {"type": "card_pulled", "product_id": "pr_a", "reason": reason}]
        assert (await page.evaluate(REDUCED, [MODULES, pulled]))["saleStopped"] == stopped
        again = await page.evaluate(REDUCED, [MODULES, [*pulled, {"type": "card_shown", "card": card}]])
        assert again["saleStopped"] is None
        joined = [{**WELCOME, "snapshot": {"comments": [], "sale_stopped": reason}}]
        assert (await page.evaluate(REDUCED, [MODULES, joined]))["saleStopped"] == stopped
    late = [*shown, {"type": "state", "state": "terminated"}, {"type": "state", "state": "live"}]
    assert (await page.evaluate(REDUCED, [MODULES, late]))["state"] == "terminated"
