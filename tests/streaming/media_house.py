"""Several media processes' worth of engines behind one door, with directory and legs. Real sockets, real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import redis.asyncio
from aiohttp import ClientSession, ClientTimeout, web

from server.http.signalling import routes
from server.media.feeds import Feeds
from server.media.fleet import MediaFleet
from server.media.internal_http import LegCounters, internal_application
from server.media.membership import Membership
from server.media.remote import Remotes
from server.media.wire import INTERNAL, InternalSecret
from streaming.engine import MediaEngine
from streaming.media_directory_redis import MediaDirectory
from streaming.media_settings import MediaSettings
from tests.streaming.harness import PATIENCE_S, OpenGate, Station

SECRET = InternalSecret.derived_from("a secret of tests")


@asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[str]:
    """Serve on loopback; gives the address."""
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class Room:
    """One engine as its process would run it."""

    name: str
    engine: MediaEngine
    legs: LegCounters
    feeds: Feeds
    membership: Membership
    directory: MediaDirectory
    _stack: AsyncExitStack
    _tasks: list[asyncio.Task[None]]

    async def vanish(self) -> None:
        """As if killed: nothing is said to the directory, connections break."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()


@asynccontextmanager
async def room(client: redis.asyncio.Redis, name: str, settings: MediaSettings) -> AsyncIterator[Room]:
    """Run one engine with its internal routes, its lease and its feeds."""
    async with AsyncExitStack() as stack:
        engine, legs, directory = MediaEngine(settings, lambda _: None), LegCounters(), MediaDirectory(client)
        await engine.start()
        stack.push_async_callback(engine.stop)
        admin = web.Application()
        admin.add_subapp(INTERNAL, internal_application(engine, SECRET, legs))
        membership = Membership(directory, name, settings.max_viewers)
        membership.found_at(await stack.enter_async_context(served(admin)))
        feeds = Feeds(engine, directory, name, SECRET)
        work = (membership.say(engine), membership.learn(), feeds.run())
        made = Room(name, engine, legs, feeds, membership, directory, stack, [asyncio.create_task(one) for one in work])
        try:
            yield made
        finally:
            await made.vanish()


@dataclass
class House:
    """Rooms behind one door."""

    rooms: list[Room]
    fleet: MediaFleet
    directory: MediaDirectory
    door: Station = field(init=False)

    def of(self, location: str) -> Room:
        """The room that a resource is in."""
        name = location.rpartition("/")[2].partition(".")[0]
        return next(one for one in self.rooms if one.name == name)


@asynccontextmanager
async def house(client: redis.asyncio.Redis, rooms: int, settings: MediaSettings | None = None) -> AsyncIterator[House]:
    """Run `rooms` engines and a door that knows them."""
    settings = settings or MediaSettings(bind_host="127.0.0.1")
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(room(client, f"md-{n}", settings)) for n in range(1, rooms + 1)]
        directory = MediaDirectory(client)
        learning = asyncio.create_task(Membership(directory, "", 0).learn())
        stack.callback(learning.cancel)
        remotes = Remotes(SECRET)
        stack.push_async_callback(remotes.aclose)
        fleet = MediaFleet(directory, remotes.to)
        made = House(running, fleet, directory)
        application, gate = web.Application(), OpenGate()
        application.add_routes(routes(fleet, gate))
        base = await stack.enter_async_context(served(application))
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=PATIENCE_S)))
        made.door = Station(running[0].engine, gate, base, http)
        async with asyncio.timeout(PATIENCE_S):
            while len(directory.processes) < rooms:  # noqa: ASYNC110  another task's poll
                await asyncio.sleep(0.02)
        yield made
