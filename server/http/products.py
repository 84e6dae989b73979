"""Products over HTTP: list, read, make, edit, move."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from commerce.product import CardContent
from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.body import LARGE_BYTES, json_response, read_json
from server.http.query import page_size, page_start, path_id

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


def routes(service: CommerceService) -> list[web.RouteDef]:
    """Routes under /api/v1/products."""

    async def listing(request: web.Request) -> web.Response:
        who = require(request, "product.read")
        after = page_start(request, "after", "pr") or ""
        found = await service.products.listing(staff=who.is_staff, after=after, limit=page_size(request))
        return json_response({"products": found})

    async def show(request: web.Request) -> web.Response:
        who = require(request, "product.read")
        return json_response(await service.products.read(_product_id(request), staff=who.is_staff))

    async def create(request: web.Request) -> web.Response:
        who = require(request, "product.make")
        content = await read_json(request, CardContent, most=LARGE_BYTES)
        product = await service.products.create(content, who.account_id)
        location = f"{_BASE}/{product['product_id']}"
        return json_response(product, status=201, headers={"Location": location})

    async def edit(request: web.Request) -> web.Response:
        who = require(request, "product.make")
        changes = await read_json(request, dict[str, Any], most=LARGE_BYTES)
        return json_response(await service.products.edit(_product_id(request), changes, who.account_id))

    async def move(request: web.Request) -> web.Response:
        require(request, "product.read")
        given = await read_json(request, ProductMove)
        who = require(request, _MOVE_PERMISSIONS[given.move])
        return json_response(await service.products.move(_product_id(request), given.move, who.account_id))

    return [
        web.get(_BASE, listing),
        web.post(_BASE, create),
        web.get(_BASE + "/{product_id}", show),
        web.patch(_BASE + "/{product_id}", edit),
        web.post(_BASE + "/{product_id}/moves", move),
    ]


def _product_id(request: web.Request) -> str:
    return path_id(request, "product_id", "pr", "no_such_product")
