"""Holds a token that is limited to one broadcast to that broadcast, on every route, in this one place.

How an operation is tied to a broadcast stands in the table of operations; one that is tied to none is refused to such a
token unless it is the person's own. Does I/O through its port, only for limited tokens.
"""

from typing import Protocol

import msgspec
from aiohttp import web

from server.auth.principal import Principal
from server.http.body import read_bytes
from server.http.errors import ApiError
from server.http.operation import Operation
from server.http.operations import OPERATIONS
from server.ids import is_id

_BY_ROUTE = {(one.method, one.path): one for one in OPERATIONS}


class Places(Protocol):
    """Knows where the sale's things belong; None for what is not this customer's."""

    async def of_order(self, customer_id: str, order_id: str) -> str | None: ...

    async def of_acknowledgement(self, customer_id: str, acknowledgement_id: str) -> str | None: ...


class _Named(msgspec.Struct):
    """What a body may name; everything else in it is the handler's to judge."""

    broadcast_id: str = ""
    acknowledgement_id: str = ""


async def hold(request: web.Request, who: Principal, places: Places | None) -> None:
    """Raise ApiError 403 `forbidden` unless a limited token's broadcast is the one that the request is about.

    A body that cannot be read and an order that is not there pass: the handler has the right words for both.
    """
    resource = request.match_info.route.resource
    if who.broadcast_id is None or resource is None or not resource.canonical.startswith("/api/"):
        return
    method = "GET" if request.method == "HEAD" else request.method
    operation = _BY_ROUTE.get((method, resource.canonical))
    if operation is None or operation.tie == "none":
        raise ApiError(403, "forbidden", "a token for one broadcast does not reach this")
    named = await _named(request, who, operation, places)
    if named is not None and not who.covers(named):
        raise ApiError(403, "forbidden", "this token is for another broadcast")


async def _named(request: web.Request, who: Principal, operation: Operation, places: Places | None) -> str | None:
    match operation.tie:
        case "path":
            return request.match_info["broadcast_id"]
        case "body":
            return (await _body(request)).broadcast_id or None
        case "acknowledgement":
            assert places is not None, "the sale's routes come with its places"
            named = (await _body(request)).acknowledgement_id
            return await places.of_acknowledgement(who.account_id, named) if is_id(named, "ak") else None
        case "order":
            assert places is not None, "the sale's routes come with its places"
            named = request.match_info["order_id"]
            return await places.of_order(who.account_id, named) if is_id(named, "or") else None
        case _:
            return None  # the person's own, or a list that its handler narrows


async def _body(request: web.Request) -> _Named:
    try:
        return msgspec.json.decode(await read_bytes(request), type=_Named)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _Named()
