"""The card on a broadcast's stage over HTTP: feature, pull, read."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from commerce.ports import Actor
from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.body import json_response, read_json
from server.http.errors import ApiError
from server.http.query import path_id

_PATH = "/api/v1/broadcasts/{broadcast_id}/card"


class Feature(msgspec.Struct, forbid_unknown_fields=True):
    """Which product's approved card to show."""

    product_id: Annotated[str, Meta(max_length=43, pattern=r"^pr_[0-9a-z_]{1,40}$")]


class Pull(msgspec.Struct, forbid_unknown_fields=True):
    """Why; viewers are told."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] = "pulled"


def routes(service: CommerceService) -> list[web.RouteDef]:
    """Routes of a broadcast's card."""

    async def feature(request: web.Request) -> web.Response:
        who = require(request, "card.feature")
        given = await read_json(request, Feature)
        actor = Actor(who.account_id, who.role)
        return json_response(await service.stage.feature(_broadcast_id(request), given.product_id, actor))

    async def pull(request: web.Request) -> web.Response:
        who = require(request, "card.pull")
        given = await read_json(request, Pull) if request.body_exists else Pull()
        await service.stage.pull(_broadcast_id(request), Actor(who.account_id, who.role), given.reason)
        return web.Response(status=204)

    async def show(request: web.Request) -> web.Response:
        require(request, "card.read")
        shown = await service.stage.shown(_broadcast_id(request))
        if shown is None:
            raise ApiError(404, "no_card", "no card is on stage")
        return json_response(shown["card"])

    return [web.get(_PATH, show), web.put(_PATH, feature), web.delete(_PATH, pull)]


def _broadcast_id(request: web.Request) -> str:
    return path_id(request, "broadcast_id", "bc", "no_such_broadcast")
