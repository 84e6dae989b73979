"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over aiohttp: offers in, answers out. I/O: HTTP only.

Who may do what is asked of a `SignallingGate`, which the composition root implements. Errors leave as
application/problem+json (RFC 9457) with the stable `code`; codes become statuses in the one table here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from server.http.body import read_bytes
from server.http.errors import ApiError, problem
from server.http.ice_servers import IceServers
from streaming.errors import StreamingError, UnknownResource
from streaming.resources import Answer, Resource
from streaming.sdp_fragment import parse_fragment
from streaming.signalling_port import MediaSignalling

MAX_BODY_BYTES = 64 * 1024
"""Chrome's offers have 5 to 8 KB."""
SDP_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"

STATUS_OF_CODE = {
    "bad_sdp": 400,
    "no_usable_codec": 406,
    "flowing_codec_unsupported": 406,
    "publisher_exists": 409,
    "unknown_resource": 404,
    "too_many_handshakes": 503,
    "too_many_joins": 503,
    "viewer_limit_reached": 503,
    "engine_stopped": 503,
    "media_unreachable": 503,
}

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch",
}
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}
_NO_ICE_SERVERS = IceServers()
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SignallingRefused(Exception):
    """The gate's no: an HTTP status (401, 403, 404, 409, 429, 503) and a stable code.

    `holder_id` says who asked, where that is known and only the broadcast's state keeps them out.
    """

    def __init__(
        self, status: int, code: str, detail: str, retry_after_s: int | None = None, holder_id: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.holder_id = holder_id


@dataclass(frozen=True, slots=True)
class Permit:
    """Who was let in, an account or an encoder token, and when the right ends unless it is renewed (epoch seconds)."""

    holder_id: str
    until_s: float


class SignallingGate(Protocol):
    """Decides who may publish and who may view, by bearer token and the broadcast's state.

    Both return a permit and raise SignallingRefused; they must be bounded in time. They are asked again for a
    DELETE or PATCH of a resource: who is known and kept out by the broadcast's state alone may still end a session.
    """

    async def may_publish(self, broadcast_id: str, bearer: str) -> Permit: ...

    async def may_view(self, broadcast_id: str, bearer: str) -> Permit: ...


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(
    media: MediaSignalling, gate: SignallingGate, ice_servers: IceServers = _NO_ICE_SERVERS
) -> list[web.RouteDef]:
    """The routes of both protocols; mount them on any aiohttp application."""
    whip = _Signalling("whip", media, gate, ice_servers)
    whep = _Signalling("whep", media, gate, ice_servers)
    return [
        web.route("*", path, _with_errors(handler))
        for signalling in (whip, whep)
        for path, handler in (
            (f"/{signalling.protocol}/{{broadcast_id}}", signalling.endpoint),
            (f"/{signalling.protocol}/{{broadcast_id}}/{{resource_id}}", signalling.resource),
        )
    ]


class _Signalling:
    """One protocol's endpoint and its resources."""

    def __init__(self, protocol: str, media: MediaSignalling, gate: SignallingGate, ice_servers: IceServers) -> None:
        self.protocol = protocol
        self._kind = "publisher" if protocol == "whip" else "viewer"
        self._media = media
        self._gate = gate
        self._ice_servers = ice_servers

    async def endpoint(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return await self._endpoint_options(request)
        if request.method != "POST":
            return _not_allowed("POST, OPTIONS")
        broadcast_id = _broadcast_id(request)
        bearer = _bearer(request)
        permit = await self._admit(broadcast_id, bearer)
        offer = await _body(request, SDP_TYPE)
        answer = await self._open(broadcast_id, permit, offer)
        try:
            # A slow offer may have outlived its right: the monitor's cut can come between the gate and the session.
            await self._admit(broadcast_id, bearer)
        except Exception:
            with suppress(StreamingError):  # the cut itself may have ended it; the refusal is the answer
                await self._media.close(answer.resource_id)
            raise
        response = web.Response(
            status=201,
            body=answer.sdp.encode(),
            headers={
                "Content-Type": SDP_TYPE,
                "Location": f"/{self.protocol}/{broadcast_id}/{answer.resource_id}",
                "ETag": f'"{answer.etag}"',
                "Accept-Patch": FRAGMENT_TYPE,
            },
        )
        self._hand_out_ice_servers(response, permit.holder_id)
        return response

    async def _endpoint_options(self, request: web.Request) -> web.Response:
        """Answer a preflight, which comes without a token, and a client that asks for ICE servers first (§4.6)."""
        response = _options("POST, OPTIONS", {"Accept-Post": SDP_TYPE})
        if "Authorization" in request.headers:
            permit = await self._admit(_broadcast_id(request), _bearer(request))
            self._hand_out_ice_servers(response, permit.holder_id)
        return response

    def _hand_out_ice_servers(self, response: web.Response, subject: str) -> None:
        for link in self._ice_servers.links(subject, time.time()):
            response.headers.add("Link", link)

    async def resource(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return _options("DELETE, PATCH, OPTIONS", {"Accept-Patch": FRAGMENT_TYPE})
        if request.method not in ("DELETE", "PATCH"):
            return _not_allowed("DELETE, PATCH, OPTIONS")
        bearer = _bearer(request)
        resource = await self._find(request)
        await self._check_owner(request.method, resource, bearer)
        if request.method == "DELETE":
            await self._media.close(resource.resource_id)
            return web.Response(status=200)
        return await self._patch(request, resource)

    async def _admit(self, broadcast_id: str, bearer: str) -> Permit:
        if self._kind == "publisher":
            return await self._gate.may_publish(broadcast_id, bearer)
        return await self._gate.may_view(broadcast_id, bearer)

    async def _open(self, broadcast_id: str, permit: Permit, offer: str) -> Answer:
        if self._kind == "publisher":
            return await self._media.publish(broadcast_id, offer, holder_id=permit.holder_id, until_s=permit.until_s)
        return await self._media.view(broadcast_id, permit.holder_id, offer, until_s=permit.until_s)

    async def _patch(self, request: web.Request, resource: Resource) -> web.Response:
        """Trickled candidates are welcome and not needed (ICE-lite sends no checks); new credentials restart ICE."""
        match = _if_match(request, resource)
        fragment = parse_fragment(await _body(request, FRAGMENT_TYPE))
        if match != "*" and fragment.ufrag in ("", resource.remote_ufrag):
            return web.Response(status=204)
        answer = await self._media.restart_ice(resource.resource_id, fragment)
        return web.Response(
            body=answer.sdp.encode(), headers={"Content-Type": FRAGMENT_TYPE, "ETag": f'"{answer.etag}"'}
        )

    async def _find(self, request: web.Request) -> Resource:
        resource = await self._media.owner_of(request.match_info["resource_id"])
        if resource.broadcast_id != request.match_info["broadcast_id"] or resource.kind != self._kind:
            raise UnknownResource("no such resource, or it has ended")
        return resource

    async def _check_owner(self, method: str, resource: Resource, bearer: str) -> None:
        """A session is restarted by its holder only; a viewer's is ended by its holder, a publisher's by any publisher.

        The latter lets a host end what their encoder left behind.
        """
        try:
            holder_id = (await self._admit(resource.broadcast_id, bearer)).holder_id
        except SignallingRefused as refusal:
            if method != "DELETE" or refusal.holder_id is None:
                raise  # who is not known now may not act, and a session that has no right any more is not restarted
            holder_id = refusal.holder_id
        if holder_id != resource.holder_id and (method != "DELETE" or resource.kind == "viewer"):
            raise SignallingRefused(403, "not_your_resource", "this session belongs to someone else")


def _if_match(request: web.Request, resource: Resource) -> str:
    """Check the condition of a PATCH (RFC 9725 §4.3.1): `*` for a restart, the current ETag else; gives it."""
    given = request.headers.get("If-Match")
    if given is None:
        raise SignallingRefused(428, "if_match_required", "PATCH needs If-Match with the session's ETag")
    if given.strip() in ("*", '"*"'):  # the RFC's own example has the star in quotes
        return "*"
    if f'"{resource.etag}"' not in [tag.strip() for tag in given.split(",")]:
        raise SignallingRefused(412, "etag_mismatch", "If-Match does not name the current ICE session")
    return given


def _broadcast_id(request: web.Request) -> str:
    broadcast_id = request.match_info["broadcast_id"]
    if not _IDENTIFIER.fullmatch(broadcast_id):
        raise SignallingRefused(404, "unknown_broadcast", "no such broadcast")
    return broadcast_id


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SignallingRefused(401, "unauthenticated", "a bearer token is required")
    return token.strip()


async def _body(request: web.Request, content_type: str) -> str:
    if request.content_type != content_type:
        raise SignallingRefused(415, "unsupported_media_type", f"the body must be {content_type}")
    try:
        return (await read_bytes(request, MAX_BODY_BYTES)).decode()
    except UnicodeDecodeError:
        raise SignallingRefused(400, "bad_sdp", "the body is not UTF-8") from None


def _options(allow: str, more: dict[str, str]) -> web.Response:
    return web.Response(
        status=204, headers={"Allow": allow, "Access-Control-Allow-Methods": allow, **_PREFLIGHT, **more}
    )


def _not_allowed(allow: str) -> web.Response:
    response = _problem(405, "method_not_allowed", f"allowed here: {allow}", None)
    response.headers["Allow"] = allow
    return response


def _with_errors(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except SignallingRefused as refusal:
            response = _problem(refusal.status, refusal.code, refusal.detail, refusal.retry_after_s)
        except ApiError as error:
            response = problem(error)
        except StreamingError as error:
            response = _problem(STATUS_OF_CODE.get(error.code, 400), error.code, error.detail, error.retry_after_s)
        response.headers.update(_CORS)
        return response

    return handle


def _problem(status: int, code: str, detail: str, retry_after_s: int | None) -> web.Response:
    return problem(ApiError(status, code, detail, retry_after_s=retry_after_s))
