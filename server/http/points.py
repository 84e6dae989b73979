"""Applause points over HTTP: the customer's own account, and a monitor's refund of a tip."""

from typing import Annotated

import msgspec
from aiohttp import web

from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.body import json_response, read_json
from server.http.query import path_id


class Refund(msgspec.Struct, forbid_unknown_fields=True):
    """Why a tip is given back; it is kept."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


def routes(service: CommerceService) -> list[web.RouteDef]:
    """The routes of points and tips."""

    async def show(request: web.Request) -> web.Response:
        who = require(request, "points.read")
        return json_response(await service.applause.read(who.account_id))

    async def refund(request: web.Request) -> web.Response:
        who = require(request, "tip.refund")
        broadcast_id = path_id(request, "broadcast_id", "bc", "no_such_tip")
        tip_id = path_id(request, "tip_id", "tp", "no_such_tip")
        given = await read_json(request, Refund)
        return json_response(await service.applause.refund(tip_id, broadcast_id, who.account_id, given.reason))

    return [
        web.get("/api/v1/points", show),
        web.post("/api/v1/broadcasts/{broadcast_id}/tips/{tip_id}/refund", refund),
    ]
