"""The whole loop in real Chromium: go live, watch, talk, buy, be cut."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import ViewportSize

from server.demo.bank import OWN_ID
from server.demo.product import featured_product
from tests.commerce.test_questionnaire import BOLD
from tests.journey.accessible import assert_accessible, tab_to
from tests.journey.buying import PRUDENCE, SENTENCE, buy_by_keyboard, go_on_after_closing, hurry, reserve, stands
from tests.journey.chromium import DESK, PHONE, Screen, chromium
from tests.journey.demo import Demo, running_demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUOTA_MINOR = 1_000_000  # 10,000 yuan: the first order takes 8,000 of it, the second wants more than is left
MOST_STOPS_TO_LIKE = 15
COMMENT = "这个产品适合三个月后要用的钱吗"
PLACE_IS_KEPT = """shown => Object.entries(sessionStorage)
  .some(([key, kept]) => key.startsWith("wealthcast.place.") && kept.includes(shown))"""


async def test_live_watch_talk_buy_and_cut(demo_dir: Path) -> None:
    async with running_demo(demo_dir, "--no-sample", "--no-crowd") as demo:
        product_id = await scarce_product(demo)
        async with chromium(demo.base) as windows:
            host = await windows.screen("host", DESK)
            mei = await windows.screen("mei", PHONE)
            bo = await windows.screen("bo", PHONE)
            monitor = await windows.screen("monitor", DESK)

            await put_on_shelf(host, await windows.screen("checker", DESK), product_id)
            await go_live(host)
            for viewer, login in ((mei, "mei"), (bo, "bo")):
                await watch(viewer, login)
            await talk(mei, bo)
            await pin(host, mei, bo)
            await like_and_tip(mei, bo)
            await show_card(host, product_id, mei, bo)
            await all_at_once(host, bo)
            await hurry(bo)
            await assessed_before_buying(await windows.screen("xin", PHONE))
            await buy(mei)
            await refused_beyond_what_is_left(bo)
            await pull_card(host, mei, bo)
            await read_report(host)
            await cut(monitor, host, mei, bo)
            for screen in (host, mei, bo, monitor):
                assert screen.complaints == [], screen.name


async def scarce_product(demo: Demo) -> str:
    """Make and approve a product with little quota, as host and checker do."""
    content = featured_product(datetime.now(UTC))
    host, checker = await demo.sign_in("linxiao"), await demo.sign_in("hejun")
    body = {name: getattr(content, name) for name in content.__struct_fields__}
    body |= {
        "name": "旅程测试产品",
        "quota_total_minor": QUOTA_MINOR,
        "benchmark": {"text": content.benchmark.text, "basis": content.benchmark.basis} if content.benchmark else None,
        "fees": [{"name": fee.name, "text": fee.text} for fee in content.fees],
        "documents": [{"title": one.title, "text": one.text} for one in content.documents],
        "window_opens_at": content.window_opens_at.isoformat(),
        "window_closes_at": content.window_closes_at.isoformat(),
    }
    made = await demo.call("POST", "/api/v1/products", host, body)
    product_id = str(made["product_id"])
    await demo.call("POST", f"/api/v1/products/{product_id}/moves", host, {"move": "submit"})
    await demo.call("POST", f"/api/v1/products/{product_id}/moves", checker, {"move": "approve"})
    return product_id


async def put_on_shelf(host: Screen, checker: Screen, product_id: str) -> None:
    """The host puts the product on the broadcast's shelf, which voids the approval; the checker gives it again."""
    await host.open("/console", "linxiao")
    await host.page.locator(f'[data-testid="open-broadcast"][data-broadcast-id="{OWN_ID}"]').click()
    await host.at("edit").click()
    await host.page.locator(f'[data-testid="draft-shelf"] input[value="{product_id}"]').check()
    await host.shot("0-shelf")
    await host.at("draft-save").click()
    await host.at("submit").click()
    await host.at("submit").wait_for(state="detached")
    await checker.open("/monitor", "hejun")
    waiting = checker.page.locator(f'[data-testid="review"][data-broadcast-id="{OWN_ID}"]')
    await waiting.get_by_test_id("review-shelf").filter(has_text="旅程测试产品").wait_for()
    await checker.shot("0-review")
    await waiting.get_by_test_id("approve").click()
    await waiting.wait_for(state="detached")
    await checker.page.close()


async def go_live(host: Screen) -> None:
    await host.page.reload()  # approved meanwhile
    await host.at("preview").wait_for()
    await host.until("() => document.querySelector('[data-testid=preview] video, video')?.videoWidth > 0")
    await host.shot("1-ready")
    await host.at("go-live").click()
    await host.until("() => document.querySelector('[data-testid=publisher]')?.dataset.phase === 'connected'")


async def watch(viewer: Screen, login: str) -> None:
    await viewer.open(f"/watch/{OWN_ID}", login)
    await viewer.plays()
    assert await viewer.page.evaluate("() => document.querySelector('video').muted")
    await viewer.at("sound").click()
    assert not await viewer.page.evaluate("() => document.querySelector('video').muted")
    await viewer.hears()
    await viewer.shot("2-watching")


async def talk(mei: Screen, bo: Screen) -> None:
    await mei.at("comment-input").fill(COMMENT)
    await mei.at("comment-send").click()
    for viewer in (mei, bo):
        await viewer.sees("comment", COMMENT)
    # A phrase that nobody may promise is held back from everyone else; a later comment shows that it would have come.
    await mei.at("comment-input").fill("这个稳赚不赔")
    await mei.at("comment-send").click()
    await bo.at("comment-input").fill("收到")
    await bo.at("comment-send").click()
    await mei.sees("comment", "收到")
    for viewer in (mei, bo):
        shown = await viewer.page.get_by_test_id("comment").filter(has_text=COMMENT).count()
        assert shown == 1, f"{viewer.name} sees the comment {shown} times"
    assert await bo.page.get_by_text("稳赚不赔").count() == 0
    await bo.shot("3-talk")


async def pin(host: Screen, *viewers: Screen) -> None:
    line = host.page.get_by_test_id("comment").filter(has_text=COMMENT)
    await line.get_by_test_id("pin").click()
    for viewer in viewers:
        await viewer.sees("pinned", COMMENT)
    await host.at("unpin").click()
    for viewer in viewers:
        await viewer.at("pinned").wait_for(state="detached")


def hellos_of(viewer: Screen) -> list[dict[str, object]]:
    """The first frames of the sockets that the page opens from now on."""
    hellos: list[dict[str, object]] = []

    def note(payload: str | bytes) -> None:
        frame = json.loads(payload)
        if frame["type"] == "hello":
            hellos.append(frame)

    viewer.page.on("websocket", lambda socket: socket.on("framesent", note))
    return hellos


async def like_and_tip(mei: Screen, bo: Screen) -> None:
    hellos = hellos_of(mei)
    await mei.until(PLACE_IS_KEPT, COMMENT)
    await mei.page.reload()  # the keyboard begins at the top, and what was said is still there
    await mei.sees("comment", COMMENT)
    await mei.until("() => !document.querySelector('[data-testid=like]').disabled")
    assert "epoch" in hellos[0]  # the page went on where it was: no snapshot, only what it had missed
    assert await tab_to(mei, "like") <= MOST_STOPS_TO_LIKE
    for _ in range(3):
        await mei.at("like").click()
    for viewer in (mei, bo):
        await viewer.sees("like-total", re.compile(r"^3$"))
    await mei.at("tip-open").click()
    await mei.sees("points-balance", "500")
    await mei.at("tip-send").click()
    await mei.at("tip-sheet").wait_for(state="detached")
    await mei.at("tip-open").click()
    await mei.sees("points-balance", "490")
    await assert_accessible(mei, "tipping")
    await mei.shot("4-tipped")
    await mei.page.keyboard.press("Escape")


async def show_card(host: Screen, product_id: str, *viewers: Screen) -> None:
    product = host.page.locator(f'[data-testid="product"][data-product-id="{product_id}"]')
    await product.get_by_test_id("show-card").click()
    for viewer in viewers:
        await viewer.sees("card-name", "旅程测试产品")
        await viewer.at("card").get_by_text(PRUDENCE).wait_for()
    await host.shot("5-card")
    await assert_accessible(host, "console on air")
    await viewers[0].shot("5-card")
    await assert_accessible(viewers[0], "watching with a card")
    await viewers[0].at("orders-open").click()
    await stands(viewers[0])
    await viewers[0].page.keyboard.press("Escape")


async def buy(mei: Screen) -> None:
    await buy_by_keyboard(mei, "8000")
    await mei.sees("receipt", "8,000.00")
    await mei.sees("receipt", SENTENCE)
    await mei.sees("receipt", "亲手输入")
    await mei.shot("6-receipt")
    await mei.at("receipt-close").click()
    await mei.sees("quota-left", "2,000")


async def refused_beyond_what_is_left(bo: Screen) -> None:
    await bo.sees("quota-left", "2,000")
    await reserve(bo, "5000")
    refusal = bo.page.locator('[data-testid="refusal"][data-code="quota_empty"]:visible')
    await refusal.filter(has_text="剩余额度不足").wait_for()
    await bo.shot("7-refused")
    await bo.at("amount").fill("2000")
    await bo.at("reserve").click()
    await go_on_after_closing(bo)
    await bo.sees("receipt", "2,000.00")
    await bo.sees("receipt", "逐句确认")
    await bo.at("receipt-close").click()


async def all_at_once(host: Screen, bo: Screen) -> None:
    """With a pinned comment, a poll and the card at once, card and composer stay on screen, on small phones too."""
    await host.page.get_by_test_id("comment").filter(has_text=COMMENT).get_by_test_id("pin").click()
    await host.at("poll-open").click()
    await host.page.locator("dialog input").first.fill("您更关心哪一点？")
    for index, option in enumerate(("流动性", "风险等级")):
        await host.page.get_by_test_id("poll-option").nth(index).fill(option)
    await host.at("poll-send").click()
    await bo.at("poll").wait_for()
    inside = """() => [".card .sentences", ".composer"].every((one) => {
      const {top, bottom} = document.querySelector(one).getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    })"""
    for width, height in ((390, 844), (320, 640)):
        await bo.page.set_viewport_size({"width": width, "height": height})
        await bo.until(inside)
        await assert_accessible(bo, f"everything at once at {width}")
        await bo.shot(f"5-all-{width}")
    await bo.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    composer = host.page.get_by_test_id("comment-input")
    assert await composer.evaluate("(one) => one.getBoundingClientRect().bottom <= innerHeight"), "the console's too"
    await bo.at("tip-open").click()
    await stands(bo)
    await assert_accessible(bo, "tipping while a card is shown")
    await bo.page.keyboard.press("Escape")
    await bo.at("tip-sheet").wait_for(state="detached")
    await host.at("poll-close").click()
    await host.at("unpin").click()


async def assessed_before_buying(xin: Screen) -> None:
    """Somebody without a level answers the questionnaire, hears what they came to, and finds the gate open."""
    await xin.open(f"/watch/{OWN_ID}", "xin")
    await xin.at("card-open").click()
    refusal = xin.page.locator('[data-testid="refusal"][data-code="not_assessed"]')
    await refusal.filter(has_text="请先完成测评").wait_for()
    assert await xin.at("gate-next").is_disabled()
    await xin.at("assess").click()
    await xin.at("assessment-send").click()  # nothing answered: the page says how many are open, and sends nothing
    sheet = xin.page.get_by_test_id("assessment")
    await sheet.get_by_text("题没有回答").wait_for()
    for question, option in BOLD.items():
        await sheet.locator(f'input[name="{question}"][value="{option}"]').check()
    await xin.shot("5-assessment")
    await assert_accessible(xin, "the questionnaire")
    await xin.at("assessment-send").click()
    await xin.sees("assessment-level", "C5")
    await xin.shot("5-assessed")
    await xin.at("assessment-done").click()
    await xin.page.locator(".gate__ok").wait_for()
    assert await xin.at("gate-next").is_enabled()
    assert await refusal.count() == 0
    assert xin.complaints == []
    await xin.page.close()


async def pull_card(host: Screen, *viewers: Screen) -> None:
    await host.at("pull-card").click()
    for viewer in viewers:
        await viewer.at("card").wait_for(state="detached")


async def read_report(host: Screen) -> None:
    """The host reads how far customers came, at the desk and on a phone, and takes it away as a table."""
    await host.at("report-open").click()
    funnel = host.page.get_by_test_id("funnel").filter(has_text="旅程测试产品")
    for step, least in (("view", 2), ("card", 2), ("gate", 1), ("submit", 1), ("confirm", 0)):
        shown = await funnel.get_by_test_id(f"funnel-{step}").locator(".funnel__count").inner_text()
        assert int(shown) >= least, f"{step}: {shown}"
    await host.sees("managers", re.compile(r"¥[1-9]"))
    await assert_accessible(host, "report")
    await host.shot("8-report")
    async with host.page.expect_download() as saved:
        await host.at("report-funnel-csv").click()
    table = (await (await saved.value).path()).read_bytes()
    assert table.startswith(b"\xef\xbb\xbf")
    assert "旅程测试产品" in table.decode()
    await host.page.set_viewport_size(ViewportSize(width=PHONE["width"], height=PHONE["height"]))
    wide = "() => document.querySelector('dialog').scrollWidth <= innerWidth"
    assert await host.page.evaluate(wide), "nothing is wider than a phone"
    await host.shot("8-report-phone")
    await host.page.set_viewport_size(ViewportSize(width=DESK["width"], height=DESK["height"]))
    await host.page.keyboard.press("Escape")


async def cut(monitor: Screen, host: Screen, *viewers: Screen) -> None:
    await monitor.open(f"/monitor/{OWN_ID}", "zhoumin")
    await monitor.sees("comment", COMMENT)
    await monitor.plays()
    await monitor.shot("8-monitor")
    await assert_accessible(monitor, "desk")
    await monitor.at("terminate").click()
    await monitor.at("terminate-reason").fill("测试终止")
    await monitor.at("terminate-confirm").click()
    for viewer in viewers:
        await viewer.until("() => document.querySelector('[data-testid=state-banner]')?.dataset.state === 'terminated'")
        await viewer.shot("9-cut")
    await host.sees("broadcast-state", re.compile("终止"))
    await host.shot("9-cut")
