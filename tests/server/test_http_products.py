"""Products and documents over HTTP."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.server.people import session
from tests.server.shop import Shop, open_shop, product_body


@pytest.fixture
async def shop(pool: asyncpg.Pool) -> AsyncIterator[Shop]:
    async with open_shop(pool) as opened:
        yield opened


async def test_a_product_is_made_reviewed_and_then_seen_by_customers(shop: Shop) -> None:
    status, product = await shop.call("POST", "/products", "host", product_body())
    assert (status, product["state"], product["card_version"]) == (201, "draft", 1)
    path = f"/products/{product['product_id']}"
    assert (await shop.call("GET", path, "viewer"))[0] == 404
    assert await shop.call("GET", "/products", "viewer") == (200, {"products": [], "next": None})
    assert (await shop.call("GET", path, "checker"))[1]["state"] == "draft"
    assert (await shop.call("POST", f"{path}/moves", "host", {"move": "submit"}))[1]["state"] == "in_review"
    status, approved = await shop.call("POST", f"{path}/moves", "checker", {"move": "approve"})
    assert (status, approved["state"]) == (200, "approved")
    status, seen = await shop.call("GET", path, "viewer")
    assert (status, seen["state"], seen["risk_rating"]) == (200, "approved", "R2")
    assert (await shop.call("GET", "/products?limit=1", "viewer"))[1]["products"] == [seen]
    status, edited = await shop.call("PATCH", path, "host", {"name": "改名", "term_days": None})
    assert (status, edited["card_version"], edited["term_days"]) == (200, 2, None)
    assert (await shop.call("POST", f"{path}/moves", "host", {"move": "withdraw"}))[0] == 200
    assert (await shop.call("GET", path, "viewer"))[1]["code"] == "no_such_product"


@pytest.mark.parametrize(
    ("method", "path", "who", "body"),
    [
        ("POST", "/products", "viewer", product_body()),
        ("POST", "/products", "checker", product_body()),
        ("PATCH", "/products/pr_a", "viewer", {}),
        ("POST", "/products/pr_a/moves", "host", {"move": "approve"}),
        ("POST", "/products/pr_a/moves", "checker", {"move": "submit"}),
        ("POST", "/products/pr_a/moves", "viewer", {"move": "withdraw"}),
    ],
)
async def test_who_may_not(shop: Shop, method: str, path: str, who: str, body: Any) -> None:
    await shop.bank.approved()
    assert (await shop.call(method, path, who, body))[1]["code"] == "forbidden"


async def test_nobody_reads_without_a_session(shop: Shop) -> None:
    for path in ("/products", "/products/pr_a", "/documents/dc_a", "/orders", "/points"):
        status, body = await shop.call("GET", path, None)
        assert (status, body["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        ("{", 400, "bad_json"),
        ("[]", 422, "bad_field"),
        ('{"name": 5}', 422, "bad_field"),
        ('{"minimum_minor": 1e3}', 422, "bad_field"),
    ],
)
async def test_a_body_that_is_no_product(shop: Shop, raw: str, status: int, code: str) -> None:
    answer = await shop.call("POST", "/products", "host", raw=raw)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_a_product_that_breaks_its_own_rules_names_each(shop: Shop) -> None:
    status, body = await shop.call("POST", "/products", "host", product_body(publicly_offered=False, nav="1.0000"))
    assert (status, body["code"], len(body["problems"])) == (422, "bad_product", 2)


async def test_an_illegal_move_says_where_it_is_and_what_is_allowed(shop: Shop) -> None:
    await shop.bank.approved()
    status, body = await shop.call("POST", "/products/pr_a/moves", "host", {"move": "submit"})
    assert (status, body["code"], body["state"]) == (409, "illegal_move", "approved")
    assert body["allowed"] == ["withdraw", "edit"]
    status, body = await shop.call("POST", "/products/pr_a/moves", "host", {"move": "sell"})
    assert (status, body["code"]) == (422, "bad_field")


@pytest.mark.parametrize("path", ["/products/pr_none", "/products/%00", "/products/PR_A", "/products/or_1"])
async def test_a_product_that_does_not_exist(shop: Shop, path: str) -> None:
    status, body = await shop.call("GET", path, "host")
    assert (status, body["code"]) == (404, "no_such_product")


@pytest.mark.parametrize("query", ["limit=0", "limit=1e2", "limit=-1", "limit=9999999", "after=x"])
async def test_a_page_that_cannot_be(shop: Shop, query: str) -> None:
    assert (await shop.call("GET", f"/products?{query}", "host"))[1]["code"] == "bad_field"


async def test_a_document_is_plain_text_under_its_hash(shop: Shop) -> None:
    await shop.bank.approved()
    card = (await shop.call("GET", "/products/pr_a", "viewer"))[1]
    document = card["documents"][0]
    async with shop.client.get(document["url"], headers=session("viewer")) as response:
        text = await response.text()
        assert response.status == 200
        assert response.content_type == "text/plain"
        assert response.headers["ETag"] == f'"{document["sha256"]}"'
        assert hashlib.sha256(text.encode()).hexdigest() == document["sha256"]
        etag = response.headers["ETag"]
    path = document["url"].removeprefix("/api/v1")
    assert (await shop.call("GET", path, "viewer", If_None_Match=etag))[0] == 304
    assert (await shop.call("GET", "/documents/dc_none", "viewer"))[1]["code"] == "no_such_document"
