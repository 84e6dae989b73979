"""The life of a process: open the stores, start the parts in order, run until told to stop, drain. Does I/O."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import redis.asyncio
import structlog

from chat.errors import Unavailable
from server.admin_http import admin_application
from server.app import Parts
from server.descriptors import ADVICE, ENOUGH, raise_limit
from server.garbage import calm_collector
from server.http.listener import serve
from server.listening import NOTHING_INHERITED, Inherited, address_literal, listen, port_of
from server.log_scrubbing import log_of_loop
from server.logs import configure_logs
from server.owned_tasks import in_background
from server.pool import open_pool
from server.public_http import public_application
from server.settings import Settings, SettingsError

log = structlog.get_logger("program")
_RECORDER_STOP_S = 4.0
_POOL_CLOSE_S = 3.0
_LAST_REQUESTS_S = 1.0
"""How long connections are still answered, each for the last time, before idle ones are closed."""


@dataclass(frozen=True)
class Running:
    """The ports in use; None where that part does not run in this process."""

    http_port: int | None
    gateway_port: int | None
    media_port: int | None
    admin_port: int


Ready = Callable[[Running], Coroutine[Any, Any, None] | None]
"""Told of the ports once the program serves; what it gives back runs beside the program, as a task of its own."""


@asynccontextmanager
async def running(settings: Settings, inherited: Inherited = NOTHING_INHERITED) -> AsyncIterator[Running]:
    """Run the program's parts until the block ends, then drain and stop them in the opposite order.

    Raises SettingsError when Postgres cannot be reached at start, or a port or the address cannot be had.
    """
    async with AsyncExitStack() as stack:
        pool = await pool_of(settings, stack)
        client = redis.asyncio.Redis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5, max_connections=64
        )
        stack.push_async_callback(client.aclose)
        parts = Parts(settings, pool, client, inherited)
        parts.phase.now = "starting"
        stack.push_async_callback(parts.commerce.aclose)
        stack.push_async_callback(parts.remotes.aclose)
        if parts.tracing is not None:
            stack.push_async_callback(parts.tracing.aclose)
        with port_of("ADMIN_PORT", settings.admin_port, settings.admin_host):
            admin_port = await serve(admin_application(parts), listen(settings.admin_host, settings.admin_port), stack)
        parts.membership.found_at(f"http://{address_literal(settings.admin_host)}:{admin_port}")
        await _know_restrictions(parts)
        await stack.enter_async_context(in_background(parts.background()))
        if parts.recording is not None:
            parts.recording.start()
            stack.push_async_callback(parts.recording.stop, _RECORDER_STOP_S)
        if parts.media is not None:
            with port_of("MEDIA_PORT", settings.media_port, settings.host):
                await parts.media.start()
            stack.push_async_callback(parts.media.stop)
        stack.callback(parts.passwords.close)
        if parts.issuer_keys is not None:
            stack.push_async_callback(parts.issuer_keys.aclose)
        http_port = await _open_doors(parts, settings, inherited, stack)
        parts.phase.now = "serving"
        yield Running(
            http_port,
            parts.gateway.port if parts.gateway is not None else None,
            parts.media.local_port if parts.media is not None else None,
            admin_port,
        )
        parts.phase.now = "draining"


async def _open_doors(parts: Parts, settings: Settings, inherited: Inherited, stack: AsyncExitStack) -> int | None:
    """Let people in, by HTTP and by the gateway; when it is over, both are drained side by side."""
    closing: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def close() -> None:
        async with asyncio.TaskGroup() as group:
            for step in closing:
                group.create_task(step())

    stack.push_async_callback(close)
    if parts.gateway is not None:
        gateway = parts.gateway
        with port_of("GATEWAY_PORT", settings.gateway_port, settings.host):
            await gateway.start()
        closing.append(lambda: gateway.stop(settings.drain_s))
    if parts.media is not None:
        media = parts.media
        closing.append(lambda: parts.membership.leave(media, settings.drain_s))
    if "api" not in settings.roles:
        return None
    http = AsyncExitStack()
    closing.append(http.aclose)
    with port_of("HTTP_PORT", settings.http_port, settings.host):
        listening = inherited.http or listen(settings.host, settings.http_port)
    return await serve(
        public_application(parts),
        listening,
        http,
        door=parts.door,
        last_requests_s=_LAST_REQUESTS_S,
        finish_s=settings.drain_s,
    )


async def _know_restrictions(parts: Parts) -> None:
    """Know who is banned or closed before the first one can ask; without a schema nobody can be let in anyway."""
    try:
        await parts.restriction_feed.refresh()
    except Unavailable:
        log.warning("restrictions_unknown")


async def pool_of(settings: Settings, stack: AsyncExitStack) -> asyncpg.Pool:
    """Open the pool until the stack unwinds; raises SettingsError."""
    try:
        pool = await open_pool(settings.database_url.get_secret_value())
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        raise SettingsError(f"DATABASE_URL: cannot connect ({type(error).__name__})") from None
    stack.push_async_callback(_close_pool, pool)
    return pool


async def _close_pool(pool: asyncpg.Pool) -> None:
    """Let statements under way come back; what does not in time is cut off."""
    try:
        async with asyncio.timeout(_POOL_CLOSE_S):
            await pool.close()
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()


async def _run(settings: Settings, ready: Ready, inherited: Inherited) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_of_loop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running(settings, inherited) as ports:
        calm_collector()
        beside = ready(ports)
        async with in_background([beside] if beside is not None else []):
            await stopped.wait()


def run_until_stopped(settings: Settings, ready: Ready, inherited: Inherited = NOTHING_INHERITED) -> None:
    """Run on uvloop where there is one, until SIGINT or SIGTERM; `ready` is called once it serves."""
    if (open_files := raise_limit()) < ENOUGH:
        log.warning("few_open_files", limit=open_files, advice=ADVICE)
    try:
        if sys.platform == "win32":
            asyncio.run(_run(settings, ready, inherited))
            return
        import uvloop

        uvloop.run(_run(settings, ready, inherited))
    except BaseExceptionGroup as group:
        # The parts run in a task group, which wraps what was raised beside it.
        refused, others = group.split(SettingsError)
        if refused is not None and others is None:
            raise _first(refused) from None
        raise


def _first(group: BaseExceptionGroup[SettingsError]) -> SettingsError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def serve_forever(settings: Settings) -> None:
    """Run all roles in this one process."""
    configure_logs(settings.log_level, readable=False)
    run_until_stopped(settings, lambda ports: log.info("ready", **vars(ports)))
