"""Each code with which domain.md lets a purchase be refused, once, through the real HTTP API, with its words."""

import re
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from commerce.money import Money
from commerce.settings import CommerceSettings
from server.http.operations import OPERATIONS
from server.http.pages import STATIC
from tests.commerce.bank import NOW
from tests.server.shop import Answer, Shop, open_shop

IMPATIENT = CommerceSettings(duplicate_wait_s=0.2, order_queue_wait_s=1.0)
DOMAIN = """
    not_assessed assessment_expired risk_mismatch senior_wait minor unaffordable window_closed below_minimum
    bad_increment over_limit quota_empty reservation_expired insufficient_funds card_pulled card_version_stale
    disclosure_missing recording_unavailable monitor_absent idempotency_conflict in_progress busy"""


def reserving_as(**customer: Any) -> Callable[[Shop], Awaitable[Answer]]:
    """Buy as a customer of whom the bank knows this; some are stopped at the reading, the others at the order."""

    async def attempt(shop: Shop) -> Answer:
        await shop.opened(issuer_rating=customer.pop("issuer_rating", "R2"))
        await shop.bank.add_customer("ac_viewer", money=0, **customer)
        read = await shop.acknowledged()
        return read if read[0] != 201 else await shop.reserve()

    return attempt


def reserving(amount_minor: int, **product: Any) -> Callable[[Shop], Awaitable[Answer]]:
    async def attempt(shop: Shop) -> Answer:
        await shop.opened(**product)
        return await shop.reserve(amount_minor=amount_minor)

    return attempt


def after_reading(happens: Callable[[Shop], Awaitable[object]]) -> Callable[[Shop], Awaitable[Answer]]:
    """Buy when something has happened between the acknowledgement and the order."""

    async def attempt(shop: Shop) -> Answer:
        await shop.opened()
        acknowledgement_id = (await shop.acknowledged())[1]["acknowledgement_id"]
        await happens(shop)
        body = {"acknowledgement_id": acknowledgement_id, "amount_minor": 200_000, "currency": "CNY"}
        return await shop.call("POST", "/orders", "viewer", body, Idempotency_Key="k9")

    return attempt


async def _pull(shop: Shop) -> None:
    assert (await shop.call("DELETE", "/broadcasts/bc_a/card", "host", {}))[0] == 204


async def _newer_card(shop: Shop) -> None:
    await shop.bank.service.products.edit("pr_a", {"name": "改名"}, "ac_host")
    await shop.bank.service.products.move("pr_a", "submit", "ac_host")
    await shop.bank.service.products.move("pr_a", "approve", "ac_checker")
    assert (await shop.call("PUT", "/broadcasts/bc_a/card", "host", {"product_id": "pr_a"}))[0] == 200


async def _same_key(shop: Shop) -> None:
    assert (await shop.reserve(key="k9", amount_minor=300_000))[0] == 201


def broadcast_is(**changes: Any) -> Callable[[Shop], Awaitable[None]]:
    async def happens(shop: Shop) -> None:
        shop.bank.broadcasts.change("bc_a", **changes)

    return happens


async def _unreadable(shop: Shop) -> None:
    shop.bank.broadcasts.failing = True


async def window_closed(shop: Shop) -> Answer:
    await shop.opened()
    shop.bank.clock.advance(days=30)
    return await shop.reserve()


async def skipped_reading(shop: Shop) -> Answer:
    await shop.opened()
    return await shop.acknowledged(documents_opened=[])


async def late_submission(shop: Shop) -> Answer:
    await shop.opened()
    order = (await shop.reserve())[1]
    shop.bank.clock.advance(seconds=IMPATIENT.reservation_ttl_s + 1)
    return await shop.call("POST", f"/orders/{order['order_id']}/submit", "viewer", Idempotency_Key="k2")


async def more_than_is_there(shop: Shop) -> Answer:
    await shop.bank.open_shop()
    await shop.bank.add_customer("ac_viewer", money=100_000)
    order = (await shop.reserve(amount_minor=200_000))[1]
    return await shop.call("POST", f"/orders/{order['order_id']}/submit", "viewer", Idempotency_Key="k2")


async def while_the_first_is_under_way(shop: Shop) -> Answer:
    """Another connection holds the customer's row, as the request of another process would."""
    await shop.opened()
    acknowledgement_id = (await shop.acknowledged())[1]["acknowledgement_id"]
    body = {"acknowledgement_id": acknowledgement_id, "amount_minor": 200_000, "currency": "CNY"}
    async with shop.bank.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM customers WHERE customer_id = 'ac_viewer' FOR UPDATE")
        return await shop.call("POST", "/orders", "viewer", body, Idempotency_Key="k9")


REFUSED: dict[str, tuple[int, Callable[[Shop], Awaitable[Answer]]]] = {
    "not_assessed": (422, reserving_as(risk_tolerance=None, assessed_at=None)),
    "assessment_expired": (422, reserving_as(assessed_at=NOW - timedelta(days=400))),
    "risk_mismatch": (422, reserving_as(risk_tolerance=1)),
    "senior_wait": (422, reserving_as(issuer_rating="R4", birth_date=date(1955, 1, 1), risk_tolerance=5)),
    "minor": (422, reserving_as(birth_date=date(2010, 1, 1))),
    "unaffordable": (422, reserving_as(declared_means=Money(150_000, "CNY"))),
    "window_closed": (422, window_closed),
    "below_minimum": (422, reserving(90_000)),
    "bad_increment": (422, reserving(105_000)),
    "over_limit": (422, reserving(60_000_000)),
    "quota_empty": (409, reserving(200_000, quota_total_minor=150_000)),
    "reservation_expired": (422, late_submission),
    "insufficient_funds": (422, more_than_is_there),
    "card_pulled": (409, after_reading(_pull)),
    "card_version_stale": (409, after_reading(_newer_card)),
    "disclosure_missing": (422, skipped_reading),
    "recording_unavailable": (409, after_reading(broadcast_is(recording_unavailable=True))),
    "monitor_absent": (409, after_reading(broadcast_is(monitor_absent=True))),
    "idempotency_conflict": (409, after_reading(_same_key)),
    "in_progress": (409, while_the_first_is_under_way),
    "busy": (503, after_reading(_unreadable)),
}


def test_the_table_is_the_domains_list() -> None:
    assert list(REFUSED) == DOMAIN.split()


@pytest.mark.parametrize("code", REFUSED)
async def test_a_purchase_is_refused_with_this_code(pool: asyncpg.Pool, code: str) -> None:
    status, attempt = REFUSED[code]
    # On a full machine a plain refusal may take longer to write than one is to wait for a duplicate.
    settings = IMPATIENT if code == "in_progress" else CommerceSettings(duplicate_wait_s=30, operation_timeout_s=60)
    async with open_shop(pool, settings) as shop:
        answer, body = await attempt(shop)
    assert (answer, body["code"], body["status"]) == (status, code, status), body
    assert body["detail"]
    assert body["detail"] != code
    sold = await pool.fetchval("SELECT count(*) FROM orders WHERE state NOT IN ('reserved', 'expired')")
    assert sold == 0


def words(language: str) -> dict[str, str]:
    text = (STATIC / "js" / "i18n" / f"{language}.js").read_text()
    return dict(re.findall(r'^  "error\.([^"]+)": "(.*)",$', text, re.MULTILINE))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_code_that_the_api_refuses_with_has_words_and_no_words_hold_a_code(language: str) -> None:
    spoken = words(language)
    codes = {code for one in OPERATIONS for _, listed in one.refusals for code in listed.split()} | set(DOMAIN.split())
    assert sorted(codes - set(spoken)) == []
    for code, text in spoken.items():
        assert re.search(r"[a-z]+_[a-z_]+|\{code\}", text) is None, (code, text)
    if language == "zh":
        assert [code for code, text in spoken.items() if not re.search(r"[\u4e00-\u9fff]", text)] == []


def test_pages_turn_every_code_into_words_in_one_place() -> None:
    """Only `ui/errors.js` makes texts of codes, so what it does not know cannot come out as a code elsewhere."""
    sources = [path for path in Path(STATIC).rglob("*.js") if "vendor" not in path.parts]
    tellers = [path.name for path in sources if "`error.${" in path.read_text()]
    assert tellers == ["errors.js"]
    printed = r">\s*\$\{\s*(?:\w+\.)*code\s*\}\s*<"
    assert [path.name for path in sources if re.search(printed, path.read_text())] == []
