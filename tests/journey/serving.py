"""The production command as operators start it, on real stores, with the demo's bank seeded into them."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from load_tests.http_client import Door, Person, SignIn
from load_tests.room_client import Event, RoomClient
from server.demo.bank import OWN_ID, PASSWORD
from server.embedded.serving import loopback_environment
from tests.commerce.bank import DATA_KEYS
from tests.journey.demo import DIES_WITH_US, PATIENCE_S, ROOT, end_process, free_port

SECRET = "a-test-secret-that-is-long-enough-for-hs256"


@dataclass
class Server:
    """A running `serve` process."""

    port: int
    process: asyncio.subprocess.Process
    admin_port: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port + 1}/ws"

    async def kill(self) -> None:
        """SIGKILL: nothing can be tidied up."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def serving(
    database_url: str, redis_url: str, *, port: int | None = None, stderr: int | None = None, **settings: str
) -> AsyncIterator[Server]:
    """Start `serve`, wait until it is ready, and end it unless the test has."""
    port = port or free_port()
    environment = serve_environment(database_url, redis_url, port, **settings)
    process = await asyncio.create_subprocess_exec(
        *DIES_WITH_US,
        sys.executable,
        "-m",
        "server",
        "serve",
        cwd=ROOT,
        env=environment,
        stderr=stderr,
        process_group=0,
    )
    server = Server(port, process)
    try:
        await until_ready(server)
        yield server
    finally:
        await end(server)


async def end(server: Server) -> None:
    """SIGTERM, and wait."""
    await end_process(server.process, signal.SIGTERM)


def serve_environment(database_url: str, redis_url: str, port: int, **settings: str) -> dict[str, str]:
    """What an operator would set, with a gate that does not ask for patience."""
    return loopback_environment(
        database_url, redis_url, port, SECRET, DATA_KEYS, **{"minimum_dwell_ms": "0", **settings}
    )


async def until_ready(server: Server) -> None:
    """Wait for /readyz to say yes."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            assert server.process.returncode is None, "the server ended at start"
            try:
                async with session.get(f"{server.base}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


@dataclass
class Told:
    """Every event that reached a person, and a way to wait for one."""

    events: list[Event] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def of(self, kind: str, **fields: object) -> Event:
        """Wait for an event of this kind with these fields."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events:
                    if event["type"] == kind and all(event.get(name) == value for name, value in fields.items()):
                        return event
                self._news.clear()
                await self._news.wait()

    def welcome(self) -> Event:
        """The latest welcome."""
        return [event for event in self.events if event["type"] == "welcome"][-1]


@dataclass(frozen=True)
class Guest:
    """Someone in a room over the public protocols."""

    person: Person
    room: RoomClient
    told: Told


@asynccontextmanager
async def in_the_room(server: Server, *logins: str, broadcast_id: str = OWN_ID) -> AsyncIterator[list[Guest]]:
    """Sign these people in and bring them into the room, welcomed."""
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        door = Door(server.base, session)
        guests, staying = [], []
        for login in logins:
            person = Person(door, SignIn(login, PASSWORD))
            told = Told()
            room = RoomClient(server.gateway, broadcast_id, f"test-{login}", person, told.take)
            guests.append(Guest(person, room, told))
            staying.append(tasks.create_task(room.run()))
        for guest in guests:
            async with asyncio.timeout(PATIENCE_S):
                await guest.room.welcomed.wait()
        try:
            yield guests
        finally:
            for task in staying:
                task.cancel()
