"""The aiohttp application out of its routes."""

from collections.abc import Iterable

from aiohttp import web

from server.auth.tokens import Tokens
from server.http.body import LARGE_BYTES
from server.http.middleware import Mapper, middlewares
from server.http.scope import Places


def build(
    routes: Iterable[web.RouteDef], tokens: Tokens, mappers: tuple[Mapper, ...], places: Places | None = None
) -> web.Application:
    """Put routes behind the middlewares; `mappers` turn the packages' errors into answers.

    `places` comes with the sale's routes: it says to which broadcast an order belongs.
    """
    application = web.Application(middlewares=middlewares(tokens, mappers, places), client_max_size=LARGE_BYTES)
    application.add_routes(list(routes))
    return application
