"""A room's figures, moderation queue, questions and polls over HTTP: read only, acts go through the room itself."""

from typing import Any

import msgspec
from aiohttp import web

from chat.errors import Unavailable
from chat.figures import FigureStore
from chat.moderation_store import ModerationStore
from chat.presence import Presence
from chat.restrictions import Restriction
from chat.talk_store import TalkStore
from server.auth.permissions import require
from server.broadcasting import Broadcasting
from server.http.body import json_response
from server.http.errors import ApiError
from server.http.query import page_size, path_id
from streaming.broadcast import Broadcast

_PATH = "/api/v1/broadcasts/{broadcast_id}"
_AWAY = "the room's store is not answering; try again"


def routes(
    broadcasting: Broadcasting,
    moderation: ModerationStore,
    talk: TalkStore,
    figures: FigureStore,
    presence: Presence,
) -> list[web.RouteDef]:
    """Routes below one broadcast."""

    async def broadcast(request: web.Request, permission: str) -> Broadcast:
        who = require(request, permission)
        try:
            return await broadcasting.read(who, path_id(request, "broadcast_id", "bc", "no_such_broadcast"))
        except LookupError:
            raise ApiError(404, "no_such_broadcast", "there is no such broadcast") from None

    async def show_figures(request: web.Request) -> web.Response:
        broadcast_id = (await broadcast(request, "figures.read")).broadcast_id
        kept = await figures.read(broadcast_id)
        try:
            online: int | None = await presence.online(broadcast_id)
        except Unavailable:
            online = None  # the totals are in Postgres and go out without Redis
        more = {"online": online, "average_watch_s": kept.average_watch_s}
        return json_response({**msgspec.to_builtins(kept), **more})

    async def show_moderation(request: web.Request) -> web.Response:
        found = await broadcast(request, "moderation.read")
        who = require(request, "moderation.read")
        if who.role == "host" and who.account_id != found.host.account_id:
            raise ApiError(403, "forbidden", "this is another host's broadcast")
        broadcast_id, limit = found.broadcast_id, page_size(request)
        body = {
            "held": await moderation.held(broadcast_id, limit),
            "reports": await moderation.reports(broadcast_id, limit),
            "acts": await moderation.acts(broadcast_id, limit),
            "restricted": [_restricted(one) for one in await moderation.restricted(broadcast_id, broadcasting.now())],
        }
        return json_response(body)

    async def show_questions(request: web.Request) -> web.Response:
        broadcast_id = (await broadcast(request, "talk.read")).broadcast_id
        return json_response({"questions": await talk.questions(broadcast_id, page_size(request))})

    async def show_polls(request: web.Request) -> web.Response:
        broadcast_id = (await broadcast(request, "talk.read")).broadcast_id
        return json_response({"polls": await talk.polls(broadcast_id, page_size(request))})

    return [
        web.get(f"{_PATH}/figures", show_figures),
        web.get(f"{_PATH}/moderation", show_moderation),
        web.get(f"{_PATH}/questions", show_questions),
        web.get(f"{_PATH}/polls", show_polls),
    ]


def chat_error(error: Exception) -> ApiError | None:
    """Answer for the room's stores."""
    return ApiError(503, "unavailable", _AWAY, retry_after_s=2) if isinstance(error, Unavailable) else None


def _restricted(one: Restriction) -> dict[str, Any]:
    until_ms = None if one.until_s is None else int(one.until_s * 1_000)
    return {"kind": one.kind, "account_id": one.account_id, "until_ms": until_ms}
