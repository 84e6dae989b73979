"""Applause points over HTTP: the customer's own account."""

from aiohttp import web

from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.body import json_response


def routes(service: CommerceService) -> list[web.RouteDef]:
    """The route /api/v1/points."""

    async def show(request: web.Request) -> web.Response:
        who = require(request, "points.read")
        return json_response(await service.applause.read(who.account_id))

    return [web.get("/api/v1/points", show)]
