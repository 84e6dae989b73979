"""Reading only what has changed, editing only what was read, and going through lists page by page."""

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


async def tagged(shop: Shop, path: str, who: str, **headers: str) -> tuple[int, str, bytes]:
    """Status, `ETag` and body of a reading."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with shop.client.get(f"/api/v1{path}", headers={**session(who), **named}) as response:
        return response.status, response.headers["ETag"], await response.read()


async def test_what_has_not_changed_is_not_sent_again(shop: Shop) -> None:
    await shop.opened()
    status, tag, body = await tagged(shop, "/broadcasts/bc_a/card", "viewer")
    assert status == 200
    assert body
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        assert await tagged(shop, "/broadcasts/bc_a/card", "viewer", If_None_Match=known) == (304, tag, b"")
    for unknown in ('"other"', "nonsense", tag.strip('"')):
        assert (await tagged(shop, "/broadcasts/bc_a/card", "viewer", If_None_Match=unknown))[0] == 200
    await shop.reserve()  # which takes from the quota that the card shows
    status, other, _ = await tagged(shop, "/broadcasts/bc_a/card", "viewer", If_None_Match=tag)
    assert (status, other != tag) == (200, True)


async def test_only_the_product_that_was_read_is_approved(shop: Shop) -> None:
    _, product = await shop.call("POST", "/products", "host", product_body())
    path = f"/products/{product['product_id']}"
    _, as_made, _ = await tagged(shop, path, "host")
    assert (await shop.call("PATCH", path, "host", {"name": "改名"}, If_Match=as_made))[0] == 200
    refused = await shop.call("PATCH", path, "host", {"name": "再改"}, If_Match=as_made)
    assert (refused[0], refused[1]["code"]) == (412, "version_stale")
    await shop.call("POST", f"{path}/moves", "host", {"move": "submit"})
    _, as_submitted, _ = await tagged(shop, path, "checker")
    for stale in (as_made, f"W/{as_submitted}", "nonsense", f"{as_made}, W/{as_submitted}"):
        assert (await shop.call("POST", f"{path}/moves", "checker", {"move": "approve"}, If_Match=stale))[0] == 412
    status, approved = await shop.call(
        "POST", f"{path}/moves", "checker", {"move": "approve"}, If_Match=f"{as_made}, {as_submitted}"
    )
    assert (status, approved["state"]) == (200, "approved")


async def test_a_list_is_read_to_its_end_by_the_addresses_it_names(shop: Shop) -> None:
    made = [(await shop.call("POST", "/products", "host", product_body()))[1]["product_id"] for _ in range(5)]
    for size in (1, 2, 5, 200):
        pages: list[list[str]] = []
        path: str | None = f"/products?limit={size}"
        while path is not None:
            status, page = await shop.call("GET", path, "host")
            assert status == 200
            pages.append([product["product_id"] for product in page["products"]])
            path = page["next"] and page["next"].removeprefix("/api/v1")
        assert [one for page in pages for one in page] == sorted(made)
        assert all(len(page) == size for page in pages[:-1])
        assert 0 < len(pages[-1]) <= size


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=1.5", "limit=", "after=or_1", "after="])
async def test_a_page_that_cannot_be_is_refused(shop: Shop, query: str) -> None:
    status, problem = await shop.call("GET", f"/products?{query}", "viewer")
    assert (status, problem["code"]) == (422, "bad_field")


async def test_a_body_that_says_it_is_not_json_is_not_read(shop: Shop) -> None:
    body: Any = '{"product_id": "pr_a"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        status, problem = await shop.call("PUT", "/broadcasts/bc_a/card", "host", raw=body, Content_Type=kind)
        assert (status, problem["code"]) == (415, "unsupported_media_type")
    await shop.opened()
    for kind in ("application/json; charset=utf-8", "application/vnd.bank+json"):
        status, _ = await shop.call("PUT", "/broadcasts/bc_a/card", "host", raw=body, Content_Type=kind)
        assert status == 200
