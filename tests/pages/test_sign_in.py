"""Sign-in, languages and money of the pages, in a real Chromium."""

import pytest
from playwright.async_api import Page, expect

from tests.chromium_program import needs_chromium
from tests.pages.door import MODULES, complaints

pytestmark = [pytest.mark.browser, needs_chromium]


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
