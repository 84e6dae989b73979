"""Who may open a WebSocket, judged by path, origin, numbers and address before the answer. No I/O of its own."""

import http
import math
import random
import time

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from server.gateway.addresses import Addresses
from server.gateway.counters import GatewayCounters
from server.gateway.options import GatewayOptions
from server.gateway.origins import Origins

PATH = "/ws"


class Door:
    """Refuses with an HTTP status, and a time to wait where that helps."""

    def __init__(self, options: GatewayOptions, counters: GatewayCounters) -> None:
        self._max_connections = options.max_connections
        self._counters = counters
        self._addresses = Addresses(options.addresses)
        self._origins = Origins(options.allowed_origins, options.public_url)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the refusal, or None for one who may come in; called by the library with the opening request."""
        if request.path.partition("?")[0] != PATH:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"the room is at {PATH}\n")
        if not self._origins.admit(request.headers.get_all("Origin"), request.headers.get_all("Host")):
            self._counters.refused_origins += 1
            return connection.respond(http.HTTPStatus.FORBIDDEN, "pages of this origin may not open a room\n")
        if self._counters.connections >= self._max_connections:
            self._counters.shed += 1
            response = connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "overloaded\n")
            response.headers["Retry-After"] = str(random.randint(5, 15))
            return response
        wait_s = self._addresses.admit(self.address_of(connection, request), time.monotonic())
        if wait_s > 0:
            self._counters.refused_addresses += 1
            response = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "too many connections from here\n")
            # Drawn apart, so that those who were refused together do not come back together.
            response.headers["Retry-After"] = str(math.ceil(wait_s * random.uniform(1.0, 2.0)))
            return response
        return None

    def address_of(self, connection: ServerConnection, request: Request | None) -> str | None:
        """Return the key under which this peer's connections are counted, read from what proxies we trust say."""
        peer = connection.remote_address
        names = ("X-Forwarded-For", "X-Forwarded-Proto") if request is not None else ()
        headers = {name: ", ".join(request.headers.get_all(name)) for name in names if request is not None}
        return self._addresses.key(peer[0] if peer else "", headers)

    def enter(self, address: str | None) -> None:
        """Count one who is in."""
        self._counters.connections += 1
        self._counters.connections_total += 1
        self._addresses.enter(address)

    def leave(self, address: str | None) -> None:
        """Count one who is gone."""
        self._counters.connections -= 1
        self._addresses.leave(address)
