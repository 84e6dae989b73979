"""The result of a risk assessment as its customer sees it, in a real Chromium: what holds, and what they are asked."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.chromium_program import needs_chromium
from tests.pages.door import MODULES, complaints

pytestmark = [pytest.mark.browser, needs_chromium]
OPEN_SHEET = """
async (modules) => {
  const { html, render } = await import(modules + "/ui/html.js");
  const { AssessmentSheet } = await import(modules + "/viewer/assessment/sheet.js");
  const close = () => (window.wentBack = true);
  render(html`<${AssessmentSheet} done=${close} onClose=${close} />`, document.body);
}
"""


def result(level: str, *, in_force: bool, confirmed: bool) -> dict[str, Any]:
    return {
        "assessment_id": "as_1", "risk_tolerance": level, "previous_tolerance": "C3", "questionnaire_version": "1",
        "assessed_at": "2026-11-23T02:00:00Z", "assessed_until": "2027-11-23T02:00:00Z",
        "in_force": in_force, "confirmed": confirmed,
    }  # fmt: skip


async def opened(page: Page, origin: str, found: dict[str, Any]) -> None:
    """Open the sheet of somebody who answered and has yet to agree."""

    async def answer(route: Route) -> None:
        path = route.request.url.split("/api/v1/")[1]
        standing = {"unconfirmed": found, "left_today": 1, "left_in_year": 7}
        known: dict[str, Any] = {
            "questionnaire": {"version": "1", "title": {"zh": "x", "en": "x"}, "questions": []},
            "assessments": standing, "assessments/as_1/confirm": {**found, "in_force": True, "confirmed": True},
        }  # fmt: skip
        await (route.fulfill(json=known[path]) if path in known else route.fallback())

    await page.route("**/api/v1/**", answer)
    await page.goto(origin + "/")
    await expect(page.get_by_test_id("login-submit")).to_be_visible()
    await page.evaluate(OPEN_SHEET, MODULES)


async def test_a_lower_level_is_said_to_hold_and_cannot_be_put_off(page: Page, origin: str) -> None:
    found = complaints(page)
    await opened(page, origin, result("C2", in_force=True, confirmed=False))
    sheet = page.get_by_test_id("assessment")
    await expect(sheet).to_contain_text("您的等级由C3变为C2。为保护您的权益，新等级即刻生效")
    await expect(sheet.get_by_role("button", name=re.compile("暂不确认"))).to_have_count(0)
    await sheet.get_by_test_id("assessment-confirm").click()
    await expect(sheet).to_contain_text("已生效，有效至2027")
    await expect(sheet.get_by_test_id("assessment-done")).to_be_visible()
    assert found == []


async def test_a_higher_level_waits_and_may_be_left(page: Page, origin: str) -> None:
    await opened(page, origin, result("C5", in_force=False, confirmed=False))
    sheet = page.get_by_test_id("assessment")
    await expect(sheet).to_contain_text("您的等级由C3变为C5。确认后才会生效。")
    await sheet.get_by_role("button", name="暂不确认，仍为C3").click()
    assert await page.evaluate("window.wentBack")
