"""Serves an HTTP application on a listening socket until told to stop; stopping loses no request. Does I/O."""

import asyncio
import socket
from contextlib import AsyncExitStack

from aiohttp import web

from server.listening import BACKLOG


async def serve(
    application: web.Application,
    listening: socket.socket,
    stack: AsyncExitStack,
    *,
    last_requests_s: float = 0.0,
    finish_s: float = 1.0,
) -> int:
    """Serve until the stack unwinds: accept no more, answer what comes for a while, then close what is idle."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=finish_s)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.SockSite(runner, listening, backlog=BACKLOG)
    await site.start()
    port = int(listening.getsockname()[1])

    async def accept_no_more() -> None:
        await site.stop()
        if runner.server is not None and runner.server.connections:
            await asyncio.sleep(last_requests_s)

    stack.push_async_callback(accept_no_more)
    return port
