"""Encoder tokens: a host's bearer tokens for WHIP, each for one broadcast, revocable."""

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.permissions import require
from server.auth.principal import Principal
from server.broadcasting import Broadcasting
from server.http.body import json_response
from server.http.errors import ApiError
from server.http.one_broadcast import read_broadcast
from server.ids import is_id
from streaming.broadcast import Broadcast


def routes(service: Broadcasting, tokens: EncoderTokens, new_id: Callable[[str], str]) -> list[web.RouteDef]:
    """Routes below one broadcast."""

    async def own(request: web.Request, who: Principal) -> Broadcast:
        broadcast = await read_broadcast(request, service, who)
        if who.account_id not in (broadcast.maker_id, broadcast.host.account_id):
            raise ApiError(403, "forbidden", "only the host of this broadcast may do this")
        return broadcast

    async def issue(request: web.Request) -> web.Response:
        who = require(request, "encoder_token.issue")
        broadcast = await own(request, who)
        issued = await tokens.issue(new_id("et"), broadcast.broadcast_id, who.account_id, datetime.now(UTC))
        return json_response(issued, status=201)

    async def revoke(request: web.Request) -> web.Response:
        who = require(request, "encoder_token.revoke")
        broadcast = await own(request, who)
        token_id = request.match_info["token_id"]
        if not is_id(token_id, "et") or not await tokens.revoke(token_id, broadcast.broadcast_id, datetime.now(UTC)):
            raise ApiError(404, "no_such_token", "this broadcast has no such encoder token")
        return web.Response(status=204)

    below = "/api/v1/broadcasts/{broadcast_id}/encoder-tokens"
    return [web.post(below, issue), web.delete(below + "/{token_id}", revoke)]
