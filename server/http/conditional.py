"""Answers again only what has changed: `ETag` on what is read, 304 for who has it already, `If-Match` for who edits.

Pure but for the requests and answers that it is handed.
"""

import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.helpers import ETAG_ANY

from server.http.errors import ApiError


@web.middleware
async def answer_what_changed(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tag every answer to a GET under /api, by the hash of its body where the handler named no tag."""
    response = await handler(request)
    if request.method not in ("GET", "HEAD") or not request.path.startswith("/api/") or response.status != 200:
        return response
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    if "ETag" not in response.headers:
        response.headers["ETag"] = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    if not _has(request, response.headers["ETag"]):
        return response
    kept = {name: response.headers[name] for name in ("ETag", "Cache-Control") if name in response.headers}
    return web.Response(status=304, headers=kept)


def seen_versions(request: web.Request) -> frozenset[str] | None:
    """Return the versions that `If-Match` names, None where any will do; a weak tag names none (RFC 9110 §13.1.1)."""
    tags = request.if_match
    if tags is None or any(tag.value == ETAG_ANY for tag in tags):
        return None
    return frozenset(tag.value for tag in tags if not tag.is_weak)


def require_version(request: web.Request, current: str) -> None:
    """Hold who sends `If-Match` to the version that they have read: nobody approves what they have not seen."""
    seen = seen_versions(request)
    if seen is not None and current not in seen:
        raise ApiError(412, "version_stale", "somebody changed this meanwhile: read it again")


def _has(request: web.Request, tag: str) -> bool:
    known = tag.removeprefix("W/").strip('"')
    return any(one.value in (ETAG_ANY, known) for one in request.if_none_match or ())
