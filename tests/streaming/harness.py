"""A real engine behind real aiohttp routes on loopback, with an open gate: what the end-to-end tests stand on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, ClientTimeout, web

from server.http.ice_servers import IceServers
from server.http.signalling import Permit, SignallingRefused, routes
from streaming.engine import MediaEngine
from streaming.media_events import MediaEvent
from streaming.media_settings import MediaSettings
from streaming.recorder import Recorder

PATIENCE_S = 30.0
"""How long a test waits for what takes a second: the machine may be busy, a timing never fails a test."""


class OpenGate:
    """Lets everybody in whose bearer is not 'expired'; the subject is the bearer itself."""

    def __init__(self) -> None:
        self.refusal: SignallingRefused | None = None
        self.until_s = math.inf
        self.looks: list[Callable[[], None]] = []
        """What happens as the gate is asked, once each, in order."""

    async def may_publish(self, broadcast_id: str, bearer: str) -> Permit:
        return self._admit(bearer)

    async def may_view(self, broadcast_id: str, bearer: str) -> Permit:
        return self._admit(bearer)

    def _admit(self, bearer: str) -> Permit:
        if self.looks:
            self.looks.pop(0)()
        if bearer == "expired":
            raise SignallingRefused(401, "token_expired", "sign in again")
        if self.refusal is not None:
            raise self.refusal
        return Permit(bearer, self.until_s)


@dataclass
class Station:
    """A running server: its engine, its address, and everything the engine told."""

    engine: MediaEngine
    gate: OpenGate
    base_url: str
    http: ClientSession
    events: list[MediaEvent] = field(default_factory=list)

    def of_type(self, kind: type) -> list[MediaEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    async def post(self, path: str, offer: str, bearer: str = "anna") -> tuple[int, str, dict[str, str]]:
        """POST an offer; gives status, body and headers."""
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {bearer}"}
        async with self.http.post(self.base_url + path, data=offer.encode(), headers=headers) as response:
            return response.status, await response.text(), dict(response.headers)


@asynccontextmanager
async def station(
    settings: MediaSettings | None = None,
    page: str = "",
    recorder: Recorder | None = None,
    more: Sequence[web.RouteDef] = (),
    ice_servers: IceServers | None = None,
) -> AsyncIterator[Station]:
    """Run a server for the length of the block; `more` routes come before the page at `/`."""
    events: list[MediaEvent] = []
    engine = MediaEngine(settings or MediaSettings(bind_host="127.0.0.1"), events.append, recorder=recorder)
    gate = OpenGate()
    application = web.Application()
    application.add_routes([*routes(engine, gate, ice_servers or IceServers()), *more])

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    application.router.add_get("/", index)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await engine.start()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with ClientSession(timeout=ClientTimeout(total=PATIENCE_S)) as http:
            yield Station(engine, gate, f"http://127.0.0.1:{port}", http, events)
    finally:
        await runner.cleanup()
        await engine.stop()


async def eventually(what: str, check: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait until `check` holds; fails with `what` in words."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.02)
