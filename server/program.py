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
from aiohttp import web

from server.app import Parts
from server.garbage import calm_collector
from server.logs import configure_logs
from server.settings import Settings, SettingsError

log = structlog.get_logger("program")
_DRAIN_S = 4.0
_POOL_CLOSE_S = 3.0


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
        if parts.recording is not None:
            parts.recording.start()
            stack.push_async_callback(parts.recording.stop, _DRAIN_S)
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


async def _open_pool(settings: Settings, stack: AsyncExitStack) -> asyncpg.Pool:
    try:
        pool = await asyncpg.create_pool(
            settings.database_url.get_secret_value(), min_size=2, max_size=24, command_timeout=10, timeout=10
        )
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
