"""The aiohttp application out of its routes."""

from collections.abc import Iterable

from aiohttp import web

from server.auth.tokens import Tokens
from server.http.middleware import Mapper, middlewares

_BODY_BYTES = 256 * 1024


def build(routes: Iterable[web.RouteDef], tokens: Tokens, mappers: tuple[Mapper, ...]) -> web.Application:
    """Put routes behind the middlewares; `mappers` turn the packages' errors into answers."""
    application = web.Application(middlewares=middlewares(tokens, mappers), client_max_size=_BODY_BYTES)
    application.add_routes(list(routes))
    return application
