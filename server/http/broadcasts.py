"""Broadcasts: create, edit, list, show, move."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from chat.moderation import Judge
from server.auth.permissions import require
from server.auth.principal import Principal
from server.broadcasting import Broadcasting
from server.http.body import json_response, read_json
from server.http.broadcast_drafts import NO_NUL, Edit, NewBroadcast, edited_draft, new_draft
from server.http.broadcast_view import BroadcastList, view_for
from server.http.broadcast_view import readiness as what_is_missing
from server.http.conditional import require_version
from server.http.errors import ApiError
from server.http.one_broadcast import read_broadcast
from server.http.query import flag, page_of, page_size, page_start
from streaming.broadcast import Broadcast, UnknownPerson, VersionStale
from streaming.lifecycle import IllegalMove, LifecycleError, NotReady, State

_BASE = "/api/v1/broadcasts"


class MoveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A move by name; the reason is kept in the history."""

    move: str
    reason: Annotated[str, Meta(max_length=500, pattern=NO_NUL)] | None = None


def lifecycle_error(error: Exception) -> ApiError | None:
    """Map the lifecycle's errors to answers."""
    if isinstance(error, IllegalMove):
        return ApiError(409, error.code, str(error), state=error.state, allowed=error.allowed)
    if isinstance(error, NotReady):
        missing = [{"code": item.code, "who": item.who, "what_to_do": item.what_to_do} for item in error.missing]
        return ApiError(409, error.code, str(error), missing=missing)
    if isinstance(error, LifecycleError):
        return ApiError(403, error.code, str(error))
    if isinstance(error, VersionStale):
        return ApiError(
            409, "version_stale", "somebody changed this broadcast meanwhile: read it again", retry_after_s=1
        )
    if isinstance(error, UnknownPerson):
        return ApiError(422, "unknown_person", str(error))
    return None


def routes(
    service: Broadcasting, judge: Judge, require_on_sale: Callable[[Collection[str]], Awaitable[None]]
) -> list[web.RouteDef]:
    """Routes under /api/v1/broadcasts; titles and summaries are judged like everything that is shown.

    `require_on_sale` raises for products that may not be put on a shelf.
    """
    serving = _Broadcasts(service, judge, require_on_sale)
    one = _BASE + "/{broadcast_id}"
    return [
        web.post(_BASE, serving.create),
        web.get(_BASE, serving.listing),
        web.get(one, serving.show),
        web.patch(one, serving.edit),
        web.post(one + "/moves", serving.move),
        web.get(one + "/readiness", serving.readiness),
    ]


@dataclass(frozen=True)
class _Broadcasts:
    service: Broadcasting
    judge: Judge
    require_on_sale: Callable[[Collection[str]], Awaitable[None]]

    async def create(self, request: web.Request) -> web.Response:
        who = require(request, "broadcast.create")
        draft = new_draft(await read_json(request, NewBroadcast), who.account_id, self.judge)
        await self.require_on_sale(draft.product_ids)
        return _answer(await self.service.create(who, draft), who, status=201)

    async def show(self, request: web.Request) -> web.Response:
        who = require(request, "broadcast.read")
        return _answer(await read_broadcast(request, self.service, who), who)

    async def listing(self, request: web.Request) -> web.Response:
        who = require(request, "broadcast.list")
        limit = page_size(request)
        found = await self.service.listed(
            who,
            states=_states(request.query.get("state")),
            mine=flag(request, "mine"),
            after=page_start(request, "after", "bc"),
            limit=limit + 1,
        )
        page, following = page_of(request, found, limit, "after", lambda broadcast: broadcast.broadcast_id)
        now = datetime.now(UTC)
        return json_response(BroadcastList([view_for(who, one, now=now) for one in page], following))

    async def edit(self, request: web.Request) -> web.Response:
        who = require(request, "broadcast.edit")
        broadcast = await read_broadcast(request, self.service, who)
        require_version(request, str(broadcast.version))
        draft = edited_draft(await read_json(request, Edit), broadcast, self.judge)
        if draft.product_ids != broadcast.product_ids:
            await self.require_on_sale(draft.product_ids)
        return _answer(await self.service.edit(who, broadcast, draft), who)

    async def move(self, request: web.Request) -> web.Response:
        who = require(request, "broadcast.move")
        given = await read_json(request, MoveRequest)
        broadcast = await read_broadcast(request, self.service, who)
        require_version(request, str(broadcast.version))
        return _answer(await self.service.move(who, broadcast.broadcast_id, given.move, given.reason), who)

    async def readiness(self, request: web.Request) -> web.Response:
        who = require(request, "broadcast.readiness")
        broadcast = await read_broadcast(request, self.service, who)
        return json_response(what_is_missing(await self.service.missing(broadcast)))


def _answer(broadcast: Broadcast, who: Principal, *, status: int = 200) -> web.Response:
    body = view_for(who, broadcast, now=datetime.now(UTC))
    return json_response(body, status=status, headers={"ETag": f'"{broadcast.version}"'})


def _states(text: str | None) -> frozenset[State] | None:
    if text is None:
        return None
    try:
        return frozenset(State(name) for name in text.split(","))
    except ValueError:
        raise ApiError(422, "bad_field", f"state is one of: {', '.join(State)}") from None
