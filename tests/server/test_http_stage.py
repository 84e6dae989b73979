"""The card on stage over HTTP."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.server.people import session
from tests.server.shop import Shop, open_shop

CARD = "/broadcasts/bc_a/card"


@pytest.fixture
async def shop(pool: asyncpg.Pool) -> AsyncIterator[Shop]:
    async with open_shop(pool) as opened:
        yield opened


async def test_the_host_features_everyone_reads_the_monitor_pulls(shop: Shop) -> None:
    await shop.bank.approved()
    assert (await shop.call("GET", CARD, "viewer"))[1]["code"] == "no_card"
    status, card = await shop.call("PUT", CARD, "host", {"product_id": "pr_a"})
    assert (status, card["product_id"]) == (200, "pr_a")
    assert await shop.call("GET", CARD, "viewer") == (200, card)
    assert await shop.call("DELETE", CARD, "monitor", {"reason": "口径不符"}) == (204, None)
    assert (await shop.call("GET", CARD, "viewer"))[0] == 404
    assert await shop.bank.pool.fetchval("SELECT pull_reason FROM showings") == "口径不符"


async def test_a_pull_needs_no_reason(shop: Shop) -> None:
    await shop.bank.open_shop()
    async with shop.client.delete(f"/api/v1{CARD}", headers=session("host")) as response:
        assert response.status == 204
    assert (await shop.call("DELETE", CARD, "host"))[1]["code"] == "no_card"


@pytest.mark.parametrize(
    ("method", "who", "status", "code"),
    [
        ("PUT", "viewer", 403, "forbidden"),
        ("PUT", "monitor", 403, "forbidden"),
        ("PUT", "other_host", 403, "not_your_broadcast"),
        ("DELETE", "viewer", 403, "forbidden"),
        ("DELETE", "other_host", 403, "not_your_broadcast"),
        ("PUT", None, 401, "unauthenticated"),
    ],
)
async def test_who_may_not(shop: Shop, method: str, who: str | None, status: int, code: str) -> None:
    await shop.bank.open_shop()
    body = {"product_id": "pr_a"} if method == "PUT" else {}
    answer = await shop.call(method, CARD, who, body)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_what_cannot_be_featured(shop: Shop) -> None:
    await shop.bank.approved()
    body = {"product_id": "pr_a"}
    assert (await shop.call("PUT", "/broadcasts/bc_none/card", "host", body))[1]["code"] == "no_such_broadcast"
    assert (await shop.call("PUT", "/broadcasts/%27/card", "host", body))[1]["code"] == "no_such_broadcast"
    assert (await shop.call("PUT", CARD, "host", {"product_id": "pr_none"}))[1]["code"] == "no_such_product"
    assert (await shop.call("PUT", CARD, "host", {"product_id": "x"}))[1]["code"] == "bad_field"
    await shop.call("POST", "/products/pr_a/moves", "host", {"move": "withdraw"})
    status, refused = await shop.call("PUT", CARD, "host", body)
    assert (status, refused["code"]) == (409, "product_not_approved")


@pytest.mark.parametrize(
    ("fact", "value", "code"),
    [("state", "ended", "not_live"), ("monitor_absent", True, "monitor_absent"),
     ("recording_unavailable", True, "recording_unavailable")],
)  # fmt: skip
async def test_when_nothing_can_be_featured(shop: Shop, fact: str, value: object, code: str) -> None:
    await shop.bank.approved()
    shop.bank.broadcasts.change("bc_a", **{fact: value})
    status, body = await shop.call("PUT", CARD, "host", {"product_id": "pr_a"})
    assert (status, body["code"]) == (409, code)
