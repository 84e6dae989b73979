"""Products over HTTP: list, read, make, edit, move."""

from typing import Literal, Union

import msgspec
from aiohttp import web

from commerce.card_view import ProductView
from commerce.catalogue import version_tag
from commerce.product import CardContent
from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.body import LARGE_BYTES, json_response, read_json
from server.http.conditional import seen_versions
from server.http.query import page_of, page_size, page_start, path_id

_BASE = "/api/v1/products"
_MOVE_PERMISSIONS = {
    "submit": "product.make",
    "approve": "product.check",
    "reject": "product.check",
    "withdraw": "product.withdraw",
}


class ProductMove(msgspec.Struct, forbid_unknown_fields=True):
    """A move by name."""

    move: Literal["submit", "approve", "reject", "withdraw"]


CardChanges = msgspec.defstruct(
    "CardChanges",
    [
        (one.name, Union[one.type, msgspec.UnsetType], msgspec.UNSET)  # noqa: UP007  # made as it runs
        for one in msgspec.structs.fields(CardContent)
    ],
    forbid_unknown_fields=True,
)
CardChanges.__doc__ = "Fields of the next card version; what is left out stays."


class ProductList(msgspec.Struct):
    """A page of products by id; `next` is the address of the page after it."""

    products: list[ProductView]
    next: str | None


def routes(service: CommerceService) -> list[web.RouteDef]:
    """Routes under /api/v1/products."""

    async def listing(request: web.Request) -> web.Response:
        who = require(request, "product.read")
        after = page_start(request, "after", "pr") or ""
        limit = page_size(request)
        found = await service.products.listing(staff=who.is_staff, after=after, limit=limit + 1)
        page = page_of(request, found, limit, "after", lambda product: product.product_id)
        return json_response(ProductList(*page))

    async def show(request: web.Request) -> web.Response:
        who = require(request, "product.read")
        product = await service.products.read(_product_id(request), staff=who.is_staff)
        return _answer(product) if who.is_staff else json_response(product)

    async def create(request: web.Request) -> web.Response:
        who = require(request, "product.make")
        content = await read_json(request, CardContent, most=LARGE_BYTES)
        product = await service.products.create(content, who.account_id)
        return _answer(product, 201, Location=f"{_BASE}/{product.product_id}")

    async def edit(request: web.Request) -> web.Response:
        who = require(request, "product.make")
        changes = msgspec.to_builtins(await read_json(request, CardChanges, most=LARGE_BYTES))
        seen = seen_versions(request)
        return _answer(await service.products.edit(_product_id(request), changes, who.account_id, seen=seen))

    async def move(request: web.Request) -> web.Response:
        require(request, "product.read")
        given = await read_json(request, ProductMove)
        who = require(request, _MOVE_PERMISSIONS[given.move])
        seen = seen_versions(request)
        return _answer(await service.products.move(_product_id(request), given.move, who.account_id, seen=seen))

    return [
        web.get(_BASE, listing),
        web.post(_BASE, create),
        web.get(_BASE + "/{product_id}", show),
        web.patch(_BASE + "/{product_id}", edit),
        web.post(_BASE + "/{product_id}/moves", move),
    ]


def _answer(product: ProductView, status: int = 200, **headers: str) -> web.Response:
    """Answer staff, whose tag is good for `If-Match`."""
    return json_response(product, status=status, headers={"ETag": f'"{version_tag(product)}"', **headers})


def _product_id(request: web.Request) -> str:
    return path_id(request, "product_id", "pr", "no_such_product")
