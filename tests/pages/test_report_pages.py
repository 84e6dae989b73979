"""The show's report where monitors and checkers work, in a real Chromium on a small phone and a desktop."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Route, ViewportSize, expect

from tests.chromium_program import needs_chromium
from tests.pages.door import complaints

pytestmark = [pytest.mark.browser, needs_chromium]
OLDER = "/api/v1/older?state=ended"
STEPS = ("view", "card", "detail", "gate", "acknowledge", "reserve", "submit", "confirm")
SHOW = {
    "broadcast_id": "bc_a", "title": "早间理财", "state": "ended", "version": 3, "started_at": "2026-11-23T02:00:00Z",
    "host": {"account_id": "ac_host", "display_name": "林晓", "licence_no": "L-001"}, "monitor": None,
}  # fmt: skip
REPORT = {
    "broadcast_id": "bc_a", "title": "早间理财", "read_at": "2026-11-23T03:00:00Z",
    "products": [{
        "product_id": "pr_a", "product_name": "稳健180天", "currency": "CNY", "mismatches_blocked": 7,
        "submitted_minor": 50_000_000, "confirmed_minor": 40_000_000,
        "customers": {step: 800 >> n for n, step in enumerate(STEPS)},
    }],
    "relationship_managers": [
        {"relationship_manager_id": number, "relationship_manager_name": name, "branch": "静安支行",
         "product_id": "pr_a", "product_name": "稳健180天", "currency": "CNY", "customers": 3, "orders": 4,
         "submitted_minor": 100, "confirmed_minor": 0}
        for number, name in (("RM0042", "陈屿"), ("RM-elsewhere", None), (None, None))
    ],
}  # fmt: skip
SIDEWAYS = (
    "[document.documentElement, ...document.querySelectorAll('.dialog__body')].some(e => e.scrollWidth > e.clientWidth)"
)


async def answer(route: Route) -> None:
    """The API, as far as these pages ask it."""
    path = route.request.url.split("/api/v1/")[1].split("?")[0]
    known: dict[str, Any] = {
        "broadcasts": {"broadcasts": [SHOW] if "ended" in route.request.url else [], "next": OLDER},
        "older": {"broadcasts": [{**SHOW, "broadcast_id": "bc_old", "title": "去年的直播"}], "next": None},
        "products": {"products": [], "next": None}, "broadcasts/bc_a/report": REPORT,
    }  # fmt: skip
    await (route.fulfill(json=known[path]) if path in known else route.fallback())


@pytest.mark.parametrize("role", ["monitor", "checker"])
@pytest.mark.parametrize("size", [{"width": 320, "height": 640}, {"width": 1280, "height": 800}])
async def test_monitors_and_checkers_read_a_shows_report(
    browser: Browser, origin: str, role: str, size: ViewportSize
) -> None:
    context = await browser.new_context(locale="zh-CN", viewport=size)
    account = {"account_id": "ac_m", "display_name": "周敏", "nickname": "周敏", "role": role}
    session = {
        "token": "t",
        "expires_at": "2099-01-01T00:00:00Z",
        "account": account,
        "obtained_at_ms": 4_000_000_000_000,
    }
    await context.add_init_script(f"sessionStorage.setItem('wealthcast.session', {json.dumps(json.dumps(session))})")
    page = await context.new_page()
    found = complaints(page)
    await page.route("**/api/v1/**", answer)
    await page.goto(f"{origin}/monitor")
    await page.get_by_test_id("shown-more").click()
    await expect(page.get_by_test_id("shown")).to_have_count(2)
    await expect(page.get_by_test_id("shown-more")).to_have_count(0)
    await page.get_by_test_id("report-open").first.click()
    await expect(page.get_by_test_id("funnel-view")).to_contain_text("800")
    await expect(page.get_by_test_id("funnel-confirm")).to_contain_text("6")
    await expect(page.get_by_test_id("submitted")).to_have_text("¥500,000.00")
    await expect(page.get_by_test_id("confirmed")).to_have_text("¥400,000.00")
    await expect(page.get_by_test_id("funnel")).to_contain_text("风险不匹配拦截（人）7")
    names = page.get_by_test_id("managers").locator("tbody th")
    await expect(names).to_have_text(["陈屿", "RM-elsewhere", "未登记"])
    assert not await page.evaluate(SIDEWAYS), "nothing but the table goes sideways"
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("report")).to_have_count(0)
    assert found == []
    await context.close()
