"""Broadcasts: create, edit, list, show, move, encoder tokens."""

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from chat.moderation import Judge
from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.permissions import require
from server.auth.principal import Principal
from server.broadcasting import Broadcasting
from server.http.body import json_response, read_json
from server.http.broadcast_view import BroadcastList, view_for
from server.http.broadcast_view import readiness as what_is_missing
from server.http.conditional import require_version
from server.http.errors import ApiError
from server.http.query import flag, page_of, page_size, page_start
from server.ids import is_id
from streaming.broadcast import Broadcast, Draft, UnknownPerson, VersionStale
from streaming.lifecycle import IllegalMove, LifecycleError, NotReady, State

_BASE = "/api/v1/broadcasts"
_SHELF_MOST = 20  # what a show can present, and a checker can look at
NO_NUL = r"^[^\x00]*$"
_Title = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
_Summary = Annotated[str, Meta(max_length=2_000, pattern=NO_NUL)]
_Shelf = Annotated[list[Annotated[str, Meta(pattern=r"^pr_[0-9a-z_]{1,40}$")]], Meta(max_length=_SHELF_MOST)]


class NewBroadcast(msgspec.Struct, forbid_unknown_fields=True):
    """A draft as its maker writes it; the host is the maker unless named."""

    title: _Title
    summary: _Summary = ""
    scheduled_at: datetime | None = None
    host_id: str | None = None
    monitor_id: str | None = None
    product_ids: _Shelf = []


class Edit(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to replace; what is left out stays."""

    title: _Title | msgspec.UnsetType = msgspec.UNSET
    summary: _Summary | msgspec.UnsetType = msgspec.UNSET
    scheduled_at: datetime | msgspec.UnsetType | None = msgspec.UNSET
    host_id: str | msgspec.UnsetType = msgspec.UNSET
    monitor_id: str | msgspec.UnsetType | None = msgspec.UNSET
    product_ids: _Shelf | msgspec.UnsetType = msgspec.UNSET


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
    service: Broadcasting,
    encoder_tokens: EncoderTokens,
    new_id: Callable[[str], str],
    judge: Judge,
    require_on_sale: Callable[[Collection[str]], Awaitable[None]],
) -> list[web.RouteDef]:
    """Routes under /api/v1/broadcasts; titles and summaries are judged like everything that is shown.

    `require_on_sale` raises for products that may not be put on a shelf.
    """
    reader = _Reader(service)

    async def create(request: web.Request) -> web.Response:
        who = require(request, "broadcast.create")
        given = await read_json(request, NewBroadcast)
        draft = _checked(
            Draft(
                given.title,
                given.summary,
                given.host_id or who.account_id,
                given.monitor_id,
                given.scheduled_at,
                _shelf(given.product_ids),
            )
        )
        _judge(judge, given.title, given.summary)
        await require_on_sale(draft.product_ids)
        return _answer(await service.create(who, draft), who, status=201)

    async def show(request: web.Request) -> web.Response:
        who = require(request, "broadcast.read")
        return _answer(await reader.read(request, who), who)

    async def listing(request: web.Request) -> web.Response:
        who = require(request, "broadcast.list")
        limit = page_size(request)
        found = await service.listed(
            who,
            states=_states(request.query.get("state")),
            mine=flag(request, "mine"),
            after=page_start(request, "after", "bc"),
            limit=limit + 1,
        )
        page, following = page_of(request, found, limit, "after", lambda broadcast: broadcast.broadcast_id)
        now = datetime.now(UTC)
        return json_response(BroadcastList([view_for(who, one, now=now) for one in page], following))

    async def edit(request: web.Request) -> web.Response:
        who = require(request, "broadcast.edit")
        broadcast = await reader.read(request, who)
        require_version(request, str(broadcast.version))
        given = await read_json(request, Edit)
        written = {
            name: getattr(given, name) for name in given.__struct_fields__ if getattr(given, name) is not msgspec.UNSET
        }
        _judge(judge, *(str(written[name]) for name in ("title", "summary") if name in written))
        draft = Draft(
            title=written.get("title", broadcast.title),
            summary=written.get("summary", broadcast.summary),
            host_id=written.get("host_id", broadcast.host.account_id),
            monitor_id=written.get("monitor_id", broadcast.monitor.account_id if broadcast.monitor else None),
            scheduled_at=written.get("scheduled_at", broadcast.scheduled_at),
            product_ids=_shelf(written["product_ids"]) if "product_ids" in written else broadcast.product_ids,
        )
        if draft.product_ids != broadcast.product_ids:
            await require_on_sale(draft.product_ids)
        return _answer(await service.edit(who, broadcast, _checked(draft)), who)

    async def move(request: web.Request) -> web.Response:
        who = require(request, "broadcast.move")
        given = await read_json(request, MoveRequest)
        broadcast = await reader.read(request, who)
        require_version(request, str(broadcast.version))
        broadcast_id = broadcast.broadcast_id
        return _answer(await service.move(who, broadcast_id, given.move, given.reason), who)

    async def readiness(request: web.Request) -> web.Response:
        who = require(request, "broadcast.readiness")
        return json_response(what_is_missing(await service.missing(await reader.read(request, who))))

    async def issue_token(request: web.Request) -> web.Response:
        who = require(request, "encoder_token.issue")
        broadcast = await reader.read_own(request, who)
        issued = await encoder_tokens.issue(new_id("et"), broadcast.broadcast_id, who.account_id, datetime.now(UTC))
        return json_response(issued, status=201)

    async def revoke_token(request: web.Request) -> web.Response:
        who = require(request, "encoder_token.revoke")
        broadcast = await reader.read_own(request, who)
        token_id = request.match_info["token_id"]
        if not is_id(token_id, "et") or not await encoder_tokens.revoke(
            token_id, broadcast.broadcast_id, datetime.now(UTC)
        ):
            raise ApiError(404, "no_such_token", "this broadcast has no such encoder token")
        return web.Response(status=204)

    one = _BASE + "/{broadcast_id}"
    return [
        web.post(_BASE, create),
        web.get(_BASE, listing),
        web.get(one, show),
        web.patch(one, edit),
        web.post(one + "/moves", move),
        web.get(one + "/readiness", readiness),
        web.post(one + "/encoder-tokens", issue_token),
        web.delete(one + "/encoder-tokens/{token_id}", revoke_token),
    ]


def _judge(judge: Judge, *texts: str) -> None:
    for text in texts:
        judgement = judge.judge(text)
        if judgement.verdict != "pass" or judgement.text != text:
            why = ", ".join(judgement.reasons) or "personal data"
            raise ApiError(422, "text_refused", f"please put it in other words: {why}")


class _Reader:
    """Finds the broadcast that a path names."""

    def __init__(self, service: Broadcasting) -> None:
        self._service = service

    async def read(self, request: web.Request, who: Principal) -> Broadcast:
        broadcast_id = request.match_info["broadcast_id"]
        if is_id(broadcast_id, "bc"):
            try:
                return await self._service.read(who, broadcast_id)
            except LookupError:
                pass
        raise ApiError(404, "no_such_broadcast", "there is no such broadcast")

    async def read_own(self, request: web.Request, who: Principal) -> Broadcast:
        broadcast = await self.read(request, who)
        if who.account_id not in (broadcast.maker_id, broadcast.host.account_id):
            raise ApiError(403, "forbidden", "only the host of this broadcast may do this")
        return broadcast


def _answer(broadcast: Broadcast, who: Principal, *, status: int = 200) -> web.Response:
    body = view_for(who, broadcast, now=datetime.now(UTC))
    return json_response(body, status=status, headers={"ETag": f'"{broadcast.version}"'})


def _shelf(product_ids: list[str]) -> tuple[str, ...]:
    """Each product once, by id: no order of the maker's own, which could be that of the benchmarks."""
    return tuple(sorted(set(product_ids)))


def _checked(draft: Draft) -> Draft:
    """Refuse people who cannot exist and times that cannot be meant."""
    if not is_id(draft.host_id, "ac") or (draft.monitor_id is not None and not is_id(draft.monitor_id, "ac")):
        raise ApiError(422, "unknown_person", "host_id and monitor_id name accounts")
    if draft.scheduled_at is not None and (
        draft.scheduled_at.tzinfo is None or not 2000 <= draft.scheduled_at.year <= 2200
    ):
        raise ApiError(422, "bad_field", "scheduled_at needs a time zone and a year from 2000 to 2200")
    return draft


def _states(text: str | None) -> frozenset[State] | None:
    if text is None:
        return None
    try:
        return frozenset(State(name) for name in text.split(","))
    except ValueError:
        raise ApiError(422, "bad_field", f"state is one of: {', '.join(State)}") from None
