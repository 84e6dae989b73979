"""Applause points over HTTP, and every commerce error's place in the table of statuses."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from commerce.errors import REFUSAL_CODES, CommerceError, Conflict, Forbidden, Invalid, NotFound, Refusal, Unavailable
from server.http.commerce_errors import STATUS, commerce_error, commerce_status
from tests.commerce.bank import NOW
from tests.server.shop import Shop, open_shop


@pytest.fixture
async def shop(pool: asyncpg.Pool) -> AsyncIterator[Shop]:
    async with open_shop(pool) as opened:
        yield opened


async def test_a_customer_reads_their_points(shop: Shop) -> None:
    await shop.bank.add_customer("ac_viewer")
    await shop.bank.service.applause.grant(
        "ac_viewer", 500, reason="welcome", expires_at=NOW + timedelta(days=9), grant_id="pg_1"
    )
    await shop.bank.service.applause.tip("ac_viewer", "bc_a", 20, nickname="小梅", key="t1")
    status, view = await shop.call("GET", "/points", "viewer")
    assert status == 200
    assert view == {
        "balance": 480,
        "daily_cap": 1_000,
        "tipped_today": 20,
        "entries": [
            {"kind": "tip", "points": -20, "at": "2026-11-23T02:00:00Z"},
            {"kind": "grant", "points": 500, "at": "2026-11-23T02:00:00Z"},
        ],
    }


async def test_a_customer_without_points_has_none(shop: Shop) -> None:
    status, view = await shop.call("GET", "/points", "viewer")
    assert (status, view["balance"], view["entries"]) == (200, 0, [])


CONFLICTS = {"quota_empty", "card_pulled", "card_version_stale", "tips_off"}


@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
def test_each_refusal_has_the_protocols_status(code: str) -> None:
    assert commerce_status(Refusal(code, "")) == (409 if code in CONFLICTS else 422)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("busy", "", retry_after_s=1), 503),
        (Unavailable("in_progress", "", retry_after_s=1), 409),
        (Unavailable("monitor_absent", ""), 409),
        (NotFound("no_such_order", ""), 404),
        (Forbidden("maker_is_checker", ""), 403),
        (Invalid("bad_product", ""), 422),
        (Conflict("idempotency_conflict", ""), 409),
        (CommerceError("anything", ""), 409),
    ],
)
def test_each_kind_of_error_has_its_status(error: CommerceError, status: int) -> None:
    mapped = commerce_error(error)
    assert mapped is not None
    assert (mapped.status, mapped.code, mapped.retry_after_s) == (status, error.code, error.retry_after_s)


def test_other_errors_are_left_to_others() -> None:
    assert commerce_error(ValueError()) is None
    assert set(STATUS.values()) == {409, 412}
