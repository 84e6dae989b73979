"""The aiohttp application out of its routes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from server.auth.identities import Identities
from server.http.body import LARGE_BYTES
from server.http.health import Phase
from server.http.middleware import Mapper, Observed, middlewares
from server.http.scope import Places


def build(
    routes: Iterable[web.RouteDef],
    identities: Identities,
    mappers: tuple[Mapper, ...],
    places: Places | None = None,
    closed: Callable[[str], bool] = lambda _: False,
    phase: Phase | None = None,
    observed: Observed = lambda *_: None,
    outermost: Sequence[Any] = (),
) -> web.Application:
    """Put routes behind the middlewares; `mappers` turn the packages' errors into answers.

    `places` comes with the sale's routes: it says to which broadcast an order belongs. `closed` says whether an
    account, by its id, was closed after the token was given. `observed` is told of each answer;
    `outermost` are middlewares that go round all of it.
    """
    chain = middlewares(identities, mappers, places, closed, phase or Phase(), observed)
    application = web.Application(middlewares=[*outermost, *chain], client_max_size=LARGE_BYTES)
    application.add_routes(list(routes))
    return application
