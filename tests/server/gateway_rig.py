"""A real gateway on real Valkey and Postgres, and clients that speak to it over real sockets."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import redis.asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from chat.archive_postgres import PostgresArchive
from chat.broker_redis import RedisBroker
from chat.figures_postgres import PostgresFigures
from chat.likes_postgres import PostgresLikeCheckpoint
from chat.likes_redis import RedisLikeStore
from chat.moderation import Moderator
from chat.moderation_postgres import PostgresModeration
from chat.phrase_list import shipped_phrases
from chat.ports import Authenticator
from chat.presence_redis import RedisPresence
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import Restrictions
from chat.talk_postgres import PostgresTalk
from server.embedded.valkey import EmbeddedValkey, start_valkey
from server.gateway.gateway import SUBPROTOCOL, Gateway
from server.gateway.options import GatewayOptions
from server.gateway.services import GatewayPorts
from server.ids import new_id
from tests.chat.fakes import BROADCAST, FakeAuthenticator, FakeBroadcasts, FakeClock, FakeTips

PATIENCE_S = 15.0
_gateway_numbers = itertools.count(1)

Event = dict[str, Any]


class Client:
    """A viewer's socket; keeps every event that came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Event] = []
        self._unread: deque[Event] = deque()
        self._ids = itertools.count(1)

    async def send(self, **frame: object) -> None:
        await self.socket.send(msgspec.json.encode(frame).decode())

    async def next_of(self, *types: str, where: Callable[[Event], bool] = lambda _: True) -> Event:
        """Read on until an event of one of these types; what else came is kept in `events`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while not self._unread:
                    await self._read()
                event = self._unread.popleft()
                if event["type"] in types and where(event):
                    return event

    async def _read(self) -> None:
        frame = msgspec.json.decode(await self.socket.recv())
        self.events += frame
        self._unread += frame

    async def hello(self, token: str, broadcast_id: str = BROADCAST, client_id: str = "phone-1") -> Event:
        await self.send(type="hello", token=token, broadcast_id=broadcast_id, client_id=client_id)
        return await self.next_of("welcome", "error")

    async def comment(self, text: str, message_id: str | None = None, kind: str = "comment") -> Event:
        message_id = message_id or f"m{next(self._ids)}"
        await self.send(type="comment", id=message_id, text=text, kind=kind)
        return await self.next_of("ack", "error")

    async def closed(self) -> tuple[int | None, str | None]:
        """Read until the connection ends; return code and reason of the close frame."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self._read()
            except ConnectionClosed:
                return self.socket.close_code, self.socket.close_reason

    def texts(self) -> list[str]:
        """The comments that reached this client as events."""
        return [event["text"] for event in self.events if event["type"] == "comment"]


@dataclass
class Rig:
    """Gateways on one Valkey and one database, with one set of fakes behind them."""

    pool: asyncpg.Pool
    redis: redis.asyncio.Redis
    authenticator: FakeAuthenticator = field(default_factory=FakeAuthenticator)
    broadcasts: FakeBroadcasts = field(default_factory=FakeBroadcasts)
    tips: FakeTips = field(default_factory=FakeTips)
    real_authenticator: Authenticator | None = None

    @asynccontextmanager
    async def gateway(self, **options: Any) -> AsyncIterator[Gateway]:
        """Run one more gateway, as another process would."""
        client: redis.asyncio.Redis = redis.asyncio.Redis(connection_pool=self.redis.connection_pool)
        broker, archive = RedisBroker(client), PostgresArchive(self.pool)
        likes = RedisLikeStore(client, PostgresLikeCheckpoint(self.pool))
        running = [asyncio.create_task(part.run()) for part in (broker, archive, likes)]
        moderation, restrictions = PostgresModeration(self.pool), Restrictions()
        feed = RestrictionFeed(moderation, restrictions)
        running.append(asyncio.create_task(feed.run()))
        gateway = Gateway(
            options=replace(GatewayOptions(port=0), **options),
            gateway_id=f"gw_{next(_gateway_numbers)}",
            ports=GatewayPorts(
                authenticator=self.real_authenticator or self.authenticator,
                broadcasts=self.broadcasts,
                tips=self.tips,
                clock=FakeClock(),
                broker=broker,
                archive=archive,
                likes=likes,
                presence=RedisPresence(client),
                moderator=Moderator(shipped_phrases()),
                moderation=moderation,
                talk=PostgresTalk(self.pool),
                figures=PostgresFigures(self.pool),
                restrictions=restrictions,
                restriction_feed=feed,
                new_id=new_id,
            ),
        )
        await gateway.start()
        running.append(asyncio.create_task(gateway.run()))
        try:
            yield gateway
        finally:
            await gateway.stop(drain_s=2.0)
            for task in running:
                task.cancel()
            await asyncio.wait(running)


@asynccontextmanager
async def connected(gateway: Gateway, **options: Any) -> AsyncIterator[Client]:
    """A socket with the right subprotocol, before hello."""
    options.setdefault("subprotocols", [Subprotocol(SUBPROTOCOL)])
    # Without a bound on the client's queue its library reads on even while the test looks elsewhere.
    options.setdefault("max_queue", None)
    async with connect(f"ws://127.0.0.1:{gateway.port}/ws", compression=None, **options) as socket:
        yield Client(socket)


@asynccontextmanager
async def joined(rig: Rig, gateway: Gateway, *people: tuple[str, str]) -> AsyncIterator[list[Client]]:
    """Clients of these (account, role) in the room, welcomed."""
    async with AsyncExitStack() as stack:
        clients = []
        for account_id, role in people:
            client = await stack.enter_async_context(connected(gateway))
            welcome = await client.hello(rig.authenticator.issue(account_id, role))
            assert welcome["type"] == "welcome", welcome
            clients.append(client)
        yield clients


@asynccontextmanager
async def redis_of_ones_own(folder: Path) -> AsyncIterator[tuple[EmbeddedValkey, redis.asyncio.Redis]]:
    """A Valkey that a test may stop."""
    valkey = start_valkey(folder, folder)
    client = redis.asyncio.Redis.from_url(valkey.url, socket_timeout=1, socket_connect_timeout=1)
    try:
        yield valkey, client
    finally:
        valkey.stop()
        await client.aclose()
