"""What happens to every request: an id, who asks, errors as problem+json, headers that keep browsers safe."""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import redis.exceptions
import structlog
from aiohttp import web

from server.auth.identities import Identities
from server.auth.issuer_keys_http import IssuerUnavailable
from server.auth.permissions import PRINCIPAL
from server.auth.principal import Principal
from server.auth.tokens import TokenError
from server.http import scope
from server.http.conditional import answer_what_changed
from server.http.errors import ApiError, problem
from server.http.health import Phase

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Mapper = Callable[[Exception], ApiError | None]
Observed = Callable[[str, str, int, float], None]
"""Told of each answer: route, method, status, seconds."""
log = structlog.get_logger("http")

_SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PASSING_FAULTS = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    ConnectionError,
    TimeoutError,
)


def api_error(error: Exception, mappers: tuple[Mapper, ...]) -> ApiError | None:
    """Find the answer to an exception: our own, a package's, aiohttp's, a store that is away; None is a bug."""
    if isinstance(error, ApiError):
        return error
    for mapper in mappers:
        if (mapped := mapper(error)) is not None:
            return mapped
    if isinstance(error, web.HTTPException) and error.status >= 400:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status, "http_error")
        return ApiError(error.status, code, error.reason)
    if isinstance(error, _PASSING_FAULTS):
        return ApiError(503, "unavailable", "a store is not answering; try again", retry_after_s=2)
    return None


def middlewares(
    identities: Identities,
    mappers: tuple[Mapper, ...],
    places: scope.Places | None,
    closed: Callable[[str], bool],
    phase: Phase,
    observed: Observed,
) -> list[Any]:
    """Build the chain, outermost first."""

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = secrets.token_hex(8)
        started = time.perf_counter()
        try:
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                response = await handler(request)
        except Exception as error:  # the one broad catch of HTTP
            response = _told(error, request, request_id, mappers)
        response.headers["X-Request-Id"] = request_id
        if phase.now == "draining" and not response.prepared:
            response.force_close()  # the client's next request comes by a connection to another process
        for name, value in _SAFETY.items():
            response.headers.setdefault(name, value)
        took_s = time.perf_counter() - started
        observed(route_of(request), request.method, response.status, took_s)
        log.debug(
            "request",
            request_id=request_id,
            method=request.method,
            route=route_of(request),
            status=response.status,
            ms=round(took_s * 1000, 1),
        )
        return response

    @web.middleware
    async def know_who_asks(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (token := bearer(request)) and not request.path.startswith(("/whip/", "/whep/")):
            principal = await _verified(token, identities, closed)
            request[PRINCIPAL] = principal
            await scope.hold(request, principal, places)
        return await handler(request)

    return [answer_errors, answer_what_changed, know_who_asks]


def _told(error: Exception, request: web.Request, request_id: str, mappers: tuple[Mapper, ...]) -> web.Response:
    """Answer an exception; a bug is logged with its trace and told without it."""
    mapped = api_error(error, mappers)
    if mapped is None:
        log.exception("request_failed", request_id=request_id, method=request.method, route=route_of(request))
        mapped = ApiError(500, "internal", f"this is our mistake; quote request {request_id}")
    response = problem(mapped)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response


async def _verified(token: str, identities: Identities, closed: Callable[[str], bool]) -> Principal:
    """Return who a token names; raises ApiError 401, or 503 where that cannot be asked."""
    try:
        principal = await identities.verify(token, now_s=time.time())
    except TokenError as error:
        raise ApiError(401, error.code, "sign in again") from None
    except IssuerUnavailable:
        raise ApiError(503, "issuer_unavailable", "who you are cannot be asked now", retry_after_s=5) from None
    if closed(principal.account_id):
        raise ApiError(401, "bad_token", "this account is closed")
    return principal


def bearer(request: web.Request) -> str | None:
    """Return the bearer token of the request, if it carries one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def route_of(request: web.Request) -> str:
    """Name the route, not the path: paths carry ids."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
