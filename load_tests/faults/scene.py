"""An installation under load: rooms, buyers, media, and the road between them and the servers. Does I/O."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from load_tests.bench.processes import LineProcess, Usage, started
from load_tests.faults.buyers import Market
from load_tests.faults.media import Publisher, Stand, Watcher
from load_tests.faults.road import Road
from load_tests.faults.room_people import Room
from load_tests.faults.staff import Staff
from load_tests.http_client import Door, SignIn

_START_S: Final = 300.0
_END_S: Final = 90.0
_LIVE_S: Final = 120.0
_TIPPERS: Final = 10
_TIPS_PER_S: Final = 2.0
_RECENT_S: Final = 2.0
_HOLDS_S: Final = 3.0
_WATCHERS_AT_ONCE: Final = 5.0
_SETTLES_FOR_S: Final = 20.0
_STANDS_STILL_MB: Final = 1.0


class CannotTry(Exception):
    """This machine or this user cannot; the message says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is put on: sockets and their comments a second, purchases a second, WHEP viewers."""

    sockets: int
    events_per_s: float
    buyers_per_s: float
    viewers: int
    away_s: float = 20.0
    """How long what is stopped, cut or slowed stays so."""
    steady_s: float = 5.0
    """How long everything goes on well before a fault."""


class Scene:
    """Everything that a fault is put upon and watched through."""

    def __init__(
        self, site: LineProcess, ready: dict[str, Any], road: Road, ports: tuple[int, int], door: Door, away_s: float
    ) -> None:
        self.away_s = away_s
        self.site = site
        self.ready = ready
        self.road = road
        base = f"http://127.0.0.1:{ports[0]}"
        self.sale = Room(ports[1], ready["sale_id"], ready["viewers"])
        self.show = Room(ports[1], ready["show_id"], ready["tippers"])
        self.market = Market(door, ready["sale_id"], ready["product_id"], ready["buyers"])
        self.stand = Stand(base, ready["sale_id"], road)
        host, monitor, show_host, show_monitor = (SignIn(login, ready["password"]) for login in ready["staff"])
        gateway = f"ws://127.0.0.1:{ports[1]}/ws"
        self.staff = Staff(door, gateway, ready["sale_id"], host, monitor, ready["product_id"])
        self.show_staff = Staff(door, gateway, ready["show_id"], show_host, show_monitor, None)
        self.watchers: list[Watcher] = []
        self.publisher: Publisher | None = None

    @property
    def gateway_port(self) -> int:
        """The gateway's own port, behind the road."""
        return int(self.ready["port"]) + 1

    async def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Have the installation do something; raises BenchFailed."""
        return await self.site.ask(_START_S, do=do, **order)

    async def until_whole(self, within_s: float) -> None:
        """Wait for every worker to serve; one that does not in time shows in the figures."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while loop.time() < until_s:
            if all(worker["serves"] for worker in (await self.ask("workers"))["workers"]):
                return
            await asyncio.sleep(0.25)

    async def rss_mb(self) -> dict[str, float]:
        """Resident memory of each of the program's processes; the supervisor and the stores are left out."""
        found = {}
        for worker in (await self.ask("workers"))["workers"]:
            if worker["pid"] is not None:
                with suppress(OSError):
                    found[worker["name"]] = Usage.of(worker["pid"]).rss_bytes / 1e6
        return found

    async def until_settled(self, within_s: float) -> float:
        """Wait until the processes have stopped growing, as they do at first: caches, statements, kept events.

        Returns the seconds that took. Growth in these would be put down to whatever fault comes first.
        """
        loop = asyncio.get_running_loop()
        began_s, last_mb = loop.time(), sum((await self.rss_mb()).values())
        while (left_s := began_s + within_s - loop.time()) > 0:
            await asyncio.sleep(min(_SETTLES_FOR_S, left_s))
            now_mb = sum((await self.rss_mb()).values())
            if now_mb - last_mb < _STANDS_STILL_MB:
                break
            last_mb = now_mb
        return loop.time() - began_s

    async def gateway_connections(self) -> int:
        """How many connections the gateways believe they hold."""
        total = 0
        for worker in (await self.ask("workers"))["workers"]:
            if "gateway" in worker["roles"] and worker["admin_port"] is not None:
                text = (await self.ask("metrics", port=worker["admin_port"]))["text"]
                found = [line for line in text.splitlines() if line.startswith("wealthcast_gateway_connections ")]
                total += int(float(found[0].split()[1])) if found else 0
        return total

    def begin_anew(self) -> None:
        """Count everything anew from here."""
        self.sale.begin_anew()
        self.show.begin_anew()
        self.market.begin_anew()
        self.stand.said.clear()
        for watcher in self.watchers:
            watcher.begin_anew()

    def unwell(self, since_s: float) -> list[str]:
        """What does not work, of all that has to since that time; nothing when everybody is served again."""
        now_s = asyncio.get_running_loop().time()
        recent_s = max(since_s, now_s - _RECENT_S)
        found = []
        for name, room in (("sale", self.sale), ("show", self.show)):
            missing = sum(not (one.welcomed and one.heard_s >= since_s) for one in room.people)
            if missing:
                found.append(f"{missing} not in the {name} room")
            if room.answers.last_ack_s < recent_s:
                found.append(f"nothing acknowledged in the {name} room")
        if self.market.buyers and self.market.sales.last_decided_s < recent_s:
            found.append("no order decided")
        dark = self.dark_watchers(since_s)
        if dark:
            found.append(f"{dark} watchers see nothing")
        return found

    def dark_watchers(self, since_s: float = 0.0) -> int:
        """How many watchers have no media now."""
        recent_s = max(since_s, asyncio.get_running_loop().time() - _RECENT_S)
        return sum(watcher.heard_s < recent_s for watcher in self.watchers)

    async def until_well(self, since_s: float, within_s: float) -> float | None:
        """Wait for everything to work and to go on working; the seconds until it began to, or None.

        What came just before a fault would pass for a sign of life just after it: hence the wait.
        """
        loop = asyncio.get_running_loop()
        well_since_s: float | None = None
        while True:
            now_s = loop.time()
            if not self.unwell(since_s):
                well_since_s = now_s if well_since_s is None else well_since_s
                if now_s - well_since_s >= _HOLDS_S:
                    return well_since_s - since_s
            elif now_s - since_s > within_s:
                return None
            else:
                well_since_s = None
            await asyncio.sleep(0.1)

    async def live(self, load: Load) -> None:
        """Put the load on and keep it on, until cancelled; `on` is set once everybody is in."""
        token_of = itertools.cycle(self.ready["viewers"])
        async with asyncio.TaskGroup() as group:
            group.create_task(self.staff.stay())
            group.create_task(self.show_staff.stay())
            async with asyncio.timeout(_LIVE_S):
                await self.staff.live.wait()
                await self.show_staff.live.wait()
            for person in (*self.sale.people, *self.show.people):
                group.create_task(person.stay())
            if load.viewers:
                self.publisher = Publisher(self.stand, await self.staff.encoder_token())
                group.create_task(self.publisher.publish_for_ever())
            for _ in range(load.viewers):
                watcher = Watcher(self.stand, next(token_of)["token"])
                self.watchers.append(watcher)
                group.create_task(watcher.watch_for_ever())
                await asyncio.sleep(1 / _WATCHERS_AT_ONCE)
            group.create_task(self.sale.talk(load.events_per_s, "comment"))
            group.create_task(self.show.talk(_TIPS_PER_S, "tip"))
            if load.buyers_per_s:
                group.create_task(self.market.buy(load.buyers_per_s))


@asynccontextmanager
async def staged(load: Load, *options: str) -> AsyncIterator[Scene]:
    """Start an installation and put the load on for the length of the block; raises CannotTry."""
    command = ["server.fault_site", "--viewers", str(load.sockets), "--buyers", str(max(1, int(2 * load.buyers_per_s)))]
    async with started(*command, "--tippers", str(_TIPPERS), *options, end_s=_END_S) as site:
        ready = await site.read(_START_S)
        if "cannot" in ready:
            raise CannotTry(ready["cannot"])
        road = Road()
        ports = (await road.tcp(ready["port"]), await road.tcp(ready["port"] + 1))
        connector = aiohttp.TCPConnector(limit=200)
        try:
            async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
                scene = Scene(site, ready, road, ports, Door(f"http://127.0.0.1:{ports[0]}", session), load.away_s)
                living = group.create_task(scene.live(load))
                try:
                    yield scene
                finally:
                    living.cancel()
        finally:
            road.close()
