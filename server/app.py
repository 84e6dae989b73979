"""The composition root: settings in, a running program out. Everything is wired here and nowhere else."""

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import redis.asyncio
import structlog
from aiohttp import web

from chat.archive_postgres import PostgresArchive
from chat.broker_redis import RedisBroker, StreamLimits
from chat.errors import ChatError
from chat.figures_postgres import PostgresFigures
from chat.likes_postgres import PostgresLikeCheckpoint
from chat.likes_redis import RedisLikeStore
from chat.moderation_postgres import PostgresModeration
from chat.phrase_list import ReloadingModerator
from chat.presence_redis import RedisPresence
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import Restrictions
from chat.rooms import RoomTimes
from chat.talk_postgres import PostgresTalk
from commerce.service import CommerceService
from commerce.settings import CommerceSettings
from server.announcer import Announcer
from server.auth.accounts_postgres import AccountStore
from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.passwords import Passwords
from server.auth.proofs import Proofs
from server.auth.tokens import Tokens
from server.broadcast_reader import RoomReader, SaleReader, StreamClocks
from server.broadcasting import Broadcasting
from server.consequences import Consequences
from server.garbage import calm_collector
from server.gateway.addresses import AddressLimits
from server.gateway.gateway import Gateway, GatewayOptions
from server.http import (
    broadcasts,
    config,
    documents,
    health,
    identity,
    orders,
    pages,
    points,
    products,
    rooms,
    sessions,
    signalling,
    stage,
)
from server.http.application import build
from server.http.commerce_errors import commerce_error
from server.ids import new_id
from server.logs import configure_logs
from server.media_gate import MediaGate
from server.metrics import build_registry
from server.probes import probes
from server.room_identity import RoomAuthenticator
from server.settings import Settings, SettingsError
from server.stream_state import StreamState
from server.tip_desk import TipDesk
from streaming.broadcasts_postgres import PostgresBroadcasts
from streaming.directory_redis import PublisherDirectory
from streaming.engine import MediaEngine
from streaming.media_settings import MediaSettings

log = structlog.get_logger("app")
_BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")
_DRAIN_S = 4.0
_LOGIN_THREADS = 2


@dataclass(frozen=True)
class Running:
    """The ports in use; None where that part does not run in this process."""

    http_port: int
    gateway_port: int | None
    media_port: int | None


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Run the program's parts until the block ends, then drain and stop them in the opposite order.

    Raises SettingsError when a store cannot be reached at start, OSError when a port is taken.
    """
    async with AsyncExitStack() as stack:
        pool = await _open_pool(settings, stack)
        client = redis.asyncio.Redis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5, max_connections=64
        )
        stack.push_async_callback(client.aclose)
        parts = Parts(settings, pool, client)
        stack.push_async_callback(parts.commerce.aclose)
        await stack.enter_async_context(_in_background(parts.background()))
        if parts.media is not None:
            await parts.media.start()
            stack.push_async_callback(parts.media.stop)
        if parts.gateway is not None:
            await parts.gateway.start()
            stack.push_async_callback(parts.gateway.stop, _DRAIN_S)
        stack.callback(parts.passwords.close)
        runner = web.AppRunner(parts.http(), access_log=None, shutdown_timeout=_DRAIN_S)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.http_port, backlog=1_024)
        await site.start()
        yield Running(
            runner.addresses[0][1],
            parts.gateway.port if parts.gateway is not None else None,
            parts.media.local_port if parts.media is not None else None,
        )


class Parts:
    """Everything that is composed once a process, each thing wired to what it needs."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, client: redis.asyncio.Redis) -> None:
        self.settings = settings
        self.pool = pool
        self.client = client
        self.accounts = AccountStore(pool)
        self.passwords = Passwords(threads=_LOGIN_THREADS, queue=settings.password_queue)
        self.tokens = Tokens(settings.jwt_secret.get_secret_value(), settings.session_ttl_s)
        self.proofs = Proofs(settings.jwt_secret.get_secret_value())
        self.encoder_tokens = EncoderTokens(pool, settings.encoder_token_ttl_s)
        self.store = PostgresBroadcasts(pool)
        self.directory = PublisherDirectory(client)
        self.presence = RedisPresence(client)
        self.clocks = StreamClocks(self.store)
        self.broker = RedisBroker(client, limits=StreamLimits(readable_per_s=settings.comments_shown_per_s))
        self.commerce = CommerceService(
            pool,
            broadcasts=SaleReader(self.store, self.presence, settings.monitor_absent_after_s),
            now=lambda: datetime.now(UTC),
            new_id=new_id,
            settings=CommerceSettings(
                reservation_ttl_s=settings.reservation_ttl_s,
                minimum_dwell_ms=settings.minimum_dwell_ms,
                reauthentication_within_s=settings.reauthentication_within_s,
            ),
        )
        self.archive = PostgresArchive(pool)
        self.likes = RedisLikeStore(client, PostgresLikeCheckpoint(pool))
        self.moderator = _moderator(settings)
        self.moderation = PostgresModeration(pool)
        self.talk = PostgresTalk(pool)
        self.figures = PostgresFigures(pool)
        self.restrictions = Restrictions()
        self.restriction_feed = RestrictionFeed(self.moderation, self.restrictions)
        self.stream_state = StreamState(self.store, self.directory, self.broker, self.clocks)
        self.media = self._media() if "media" in settings.roles else None
        if self.media is not None:
            self.restriction_feed.on_ban(self.media.drop_person)
        self.gateway = self._gateway() if "gateway" in settings.roles else None
        consequences = Consequences(self.stream_state, self.media, self.commerce.stage)
        self.broadcasting = Broadcasting(
            self.store, self.presence, new_id, consequences.broadcast_moved, _BUSINESS_ZONE
        )

    def _media(self) -> MediaEngine:
        settings = self.settings
        advertised = str(settings.media_advertised_ip or "127.0.0.1")
        media = MediaSettings(
            bind_host=settings.host,
            port=settings.media_port,
            advertised_ips=(advertised,),
            packet_writer=settings.media_packet_writer,
            max_viewers=settings.media_max_viewers,
            joins_per_s=settings.media_joins_per_s,
        )
        return MediaEngine(media, self.stream_state.on_event)

    def _gateway(self) -> Gateway:
        settings = self.settings
        return Gateway(
            options=GatewayOptions(
                host=settings.host,
                port=settings.gateway_port,
                allowed_origins=settings.allowed_origins,
                addresses=AddressLimits(
                    connections=settings.connections_per_address, trusted_proxies=settings.trusted_proxies
                ),
                times=RoomTimes(tick_s=settings.room_tick_ms / 1_000),
            ),
            gateway_id=f"gw-{secrets.token_hex(6)}",
            authenticator=RoomAuthenticator(self.tokens),
            broadcasts=RoomReader(self.store, self.directory, self.commerce.stage),
            tips=TipDesk(self.commerce.applause, self.accounts, self.moderator),
            clock=self.clocks,
            broker=self.broker,
            archive=self.archive,
            likes=self.likes,
            presence=self.presence,
            moderator=self.moderator,
            moderation=self.moderation,
            talk=self.talk,
            figures=self.figures,
            restrictions=self.restrictions,
            restriction_feed=self.restriction_feed,
            new_id=new_id,
        )

    def _banned(self, account_id: str) -> bool:
        return self.restrictions.banned(account_id, time.time())

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the listeners, each as one owned task."""
        work: list[Coroutine[Any, Any, None]] = [self.broker.run(), self.archive.run(), self.stream_state.run()]
        work += [self.likes.run(), self.moderator.run(), self.restriction_feed.run()]
        if "commerce" in self.settings.roles:
            work += [self.commerce.relay(Announcer(self.broker).take).run(), self.commerce.sweep_forever()]
        return work

    def http(self) -> web.Application:
        """The HTTP application; a process without the role `api` serves health and metrics only."""
        registry = build_registry(
            self.gateway.counters if self.gateway is not None else None,
            self.media.snapshot if self.media is not None else None,
        )
        routes = health.routes(probes(self.pool, self.client), registry)
        if "api" in self.settings.roles:
            routes += self._api()
        return build(routes, self.tokens, (broadcasts.lifecycle_error, commerce_error, rooms.chat_error))

    def _api(self) -> list[web.RouteDef]:
        settings = self.settings
        page_config = config.PageConfig(
            settings.gateway_public_url,
            settings.gateway_port,
            _demo_accounts() if settings.demo else None,
            settings.trusted_proxies,
        )
        routes = [
            *config.routes(page_config),
            *pages.routes(page_config.gateway_url),
            *sessions.routes(self.accounts, self.passwords, self.tokens),
            *broadcasts.routes(self.broadcasting, self.encoder_tokens, new_id, self.moderator),
            *products.routes(self.commerce),
            *documents.routes(self.commerce),
            *stage.routes(self.commerce),
            *orders.routes(self.commerce, self.proofs),
            *identity.routes(self.accounts, self.passwords, self.proofs),
            *points.routes(self.commerce),
            *rooms.routes(self.broadcasting, self.moderation, self.talk, self.figures, self.presence),
        ]
        if self.media is not None:
            gate = MediaGate(self.store, self.tokens, self.encoder_tokens, self._banned)
            routes += signalling.routes(self.media, gate)
        return routes


def _moderator(settings: Settings) -> ReloadingModerator:
    try:
        return ReloadingModerator(settings.phrase_list)
    except (OSError, ChatError, UnicodeError) as error:
        raise SettingsError(f"PHRASE_LIST: {error}") from None


def _demo_accounts() -> list[dict[str, str]]:
    from server.demo.bank import offered_accounts  # production never imports the demo

    return offered_accounts()


async def _open_pool(settings: Settings, stack: AsyncExitStack) -> asyncpg.Pool:
    try:
        pool = await asyncpg.create_pool(
            settings.database_url.get_secret_value(), min_size=2, max_size=24, command_timeout=10, timeout=10
        )
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        raise SettingsError(f"DATABASE_URL: cannot connect ({type(error).__name__})") from None
    stack.callback(pool.terminate)
    return pool


@asynccontextmanager
async def _in_background(work: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run each as an owned task until the block ends; one that fails ends the program."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(item) for item in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _run(settings: Settings, ready: Callable[[Running], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running(settings) as ports:
        calm_collector()
        ready(ports)
        await stopped.wait()


def run_until_stopped(settings: Settings, ready: Callable[[Running], None]) -> None:
    """Run on uvloop where there is one, until SIGINT or SIGTERM; `ready` is called once it serves."""
    if sys.platform == "win32":
        asyncio.run(_run(settings, ready))
        return
    import uvloop

    uvloop.run(_run(settings, ready))


def serve_forever(settings: Settings) -> None:
    """Run in production."""
    configure_logs(settings.log_level, readable=False)
    run_until_stopped(settings, lambda ports: log.info("ready", **vars(ports)))
