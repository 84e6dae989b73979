"""How the journey's customers buy: by the keyboard alone, by pointing, in a hurry, without typing."""

import json
import re

from playwright.async_api import Route

from server.demo.bank import PASSWORD
from tests.journey.accessible import assert_accessible, press
from tests.journey.chromium import Screen

SENTENCE = "本人已经阅读风险揭示，愿意承担投资风险"
PRUDENCE = "理财非存款，产品有风险，投资须谨慎"


async def read_documents(viewer: Screen) -> None:
    """Open every document, and stay in the last one until the reading time has counted down."""
    documents = viewer.page.get_by_test_id("doc-open")
    await documents.first.wait_for()
    for index in range(await documents.count()):
        await documents.nth(index).click()
        await viewer.page.locator(".document-text:not(:empty)").wait_for()
        if index == await documents.count() - 1:
            await viewer.sees("reader-left", "阅读时间已满足")
        await viewer.at("doc-close").click()


async def stands(viewer: Screen) -> None:
    """While a sheet covers the card, rating, levels and the sentence stay in view."""
    line = viewer.page.locator("dialog[open]").last.get_by_test_id("standing")
    for text in (PRUDENCE, "R2", "C2–C5"):
        await line.get_by_text(text).first.wait_for()
    assert await line.evaluate("(one) => one.getBoundingClientRect().bottom <= innerHeight")


async def reserve(viewer: Screen, yuan: str) -> None:
    """Through the gate by pointing, agreeing part by part as somebody who cannot type."""
    await viewer.at("card-open").click()
    await stands(viewer)
    await viewer.at("gate-next").click()
    await read_documents(viewer)
    await viewer.at("ack-method").click()
    steps = viewer.page.get_by_test_id("ack-step")
    assert await steps.nth(1).is_disabled()
    await steps.nth(0).click()
    assert await viewer.at("ack-next").is_disabled()
    await steps.nth(1).click()
    await assert_accessible(viewer, "agreeing part by part")
    await viewer.shot("6-steps")
    await viewer.at("ack-next").click()
    await viewer.at("amount").fill(yuan)
    await viewer.at("reserve").click()


async def hurry(viewer: Screen) -> None:
    """Somebody who closes every document at once is told what is missing instead of finding a dead button."""

    async def longer(route: Route) -> None:
        answer = await route.fetch()
        body = {**await answer.json(), "minimum_dwell_ms": 600_000}
        await route.fulfill(response=answer, body=json.dumps(body))

    await viewer.page.route("**/gate?*", longer)
    await viewer.at("card-open").click()
    await viewer.at("gate-next").click()
    documents = viewer.page.get_by_test_id("doc-open")
    await viewer.sees("ack-missing", "还需打开")
    for index in range(await documents.count()):
        await documents.nth(index).click()
        await viewer.page.locator(".document-text:not(:empty)").wait_for()
        await viewer.at("doc-close").click()
    await viewer.sees("ack-missing", "请再打开一份文件")
    await viewer.sees("doc-open", "继续阅读")
    await viewer.shot("6-hurry")
    await viewer.page.keyboard.press("Escape")  # back to the product
    await viewer.page.keyboard.press("Escape")  # and out
    await viewer.at("purchase").wait_for(state="detached")
    await viewer.until("() => document.activeElement.dataset.testid === 'card-open'")  # focus came back
    await viewer.page.unroute("**/gate?*")


async def buy_by_keyboard(viewer: Screen, yuan: str) -> None:
    """From the card to the receipt without a pointer."""
    keyboard = viewer.page.keyboard
    await press(viewer, "card-open")
    await press(viewer, "gate-next")
    count = await viewer.page.get_by_test_id("doc-open").count()
    assert count == 2
    await press(viewer, "doc-open")
    await viewer.sees("reader-left", "阅读时间已满足")
    await keyboard.press("Escape")
    await viewer.at("document").wait_for(state="detached")
    await keyboard.press("Tab")  # focus came back to the first document: the second is next
    await keyboard.press("Enter")
    await viewer.page.locator(".document-text:not(:empty)").wait_for()
    await keyboard.press("Escape")
    await press(viewer, "ack-text", "End")
    await keyboard.insert_text(SENTENCE)
    await assert_accessible(viewer, "acknowledging")
    await press(viewer, "ack-next")
    await press(viewer, "amount", "Control+a")
    await keyboard.insert_text(yuan)
    await press(viewer, "reserve")
    await press(viewer, "submit-order")
    await viewer.at("identity-password").wait_for()
    await stands(viewer)
    await keyboard.insert_text(PASSWORD)
    await keyboard.press("Enter")
    await viewer.at("receipt").wait_for()


async def go_on_after_closing(viewer: Screen) -> None:
    """A reservation survives the page: it is offered, held longer and handed in, although the answer is slow."""
    await viewer.at("submit-order").wait_for()
    await viewer.page.reload()
    await viewer.at("open-order-resume").wait_for()
    await viewer.shot("7-unfinished")
    await viewer.at("open-order-resume").click()
    await viewer.at("extend").click()
    await viewer.at("extend").wait_for(state="detached")

    async def unanswered(route: Route) -> None:
        answer = await route.fetch()
        if not answer.ok:
            return await route.fulfill(response=answer)
        body = await answer.json()
        del body["receipt"]
        return await route.fulfill(response=answer, body=json.dumps({**body, "state": "outcome_unknown"}))

    await viewer.page.route("**/submit", unanswered)
    await viewer.at("submit-order").click()
    await viewer.at("identity-password").fill("not it")
    await viewer.at("identity-confirm").click()
    await viewer.page.locator('[data-testid="refusal"][data-code="wrong_password"]').wait_for()
    await viewer.shot("7-identity")
    await assert_accessible(viewer, "the password")
    await viewer.at("identity-password").fill(PASSWORD)
    await viewer.at("identity-confirm").click()
    await viewer.page.get_by_role("heading", name=re.compile("处理中")).wait_for()
    await viewer.at("receipt").wait_for()  # the page asked how the order stands
    await viewer.page.unroute("**/submit")
