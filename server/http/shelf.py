"""The shelf of a broadcast over HTTP: the products that were approved with it."""

import msgspec
from aiohttp import web

from commerce.card_view import ProductView
from commerce.service import CommerceService
from server.auth.permissions import require
from server.broadcasting import Broadcasting
from server.http.body import json_response
from server.http.errors import ApiError
from server.http.one_broadcast import read_broadcast
from streaming.lifecycle import ON_AIR

_PATH = "/api/v1/broadcasts/{broadcast_id}/shelf"


class Shelf(msgspec.Struct):
    """The cards on a broadcast's shelf, by product id; at most twenty."""

    products: list[ProductView]


def routes(broadcasting: Broadcasting, service: CommerceService) -> list[web.RouteDef]:
    """The route of a broadcast's shelf; it is filled by editing the broadcast, whose approval it shares."""

    async def show(request: web.Request) -> web.Response:
        who = require(request, "shelf.read")
        broadcast = await read_broadcast(request, broadcasting, who)
        if not who.is_staff and broadcast.state not in ON_AIR:
            raise ApiError(409, "not_live", "the broadcast is not on air")
        return json_response(Shelf(await service.products.shelf(broadcast.product_ids, staff=who.is_staff)))

    return [web.get(_PATH, show)]
