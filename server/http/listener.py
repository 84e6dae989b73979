"""Serves an HTTP application on a listening socket until told to stop; stopping loses no request. Does I/O."""

import asyncio
import socket
from contextlib import AsyncExitStack

from aiohttp import web

from server.http.connections import ConnectionLimits, Door, guard, tell_the_connection
from server.listening import BACKLOG

_LINGER_S = 2.0  # for the rest of a body that nobody wants


async def serve(
    application: web.Application,
    listening: socket.socket,
    stack: AsyncExitStack,
    *,
    door: Door | None = None,
    last_requests_s: float = 0.0,
    finish_s: float = 1.0,
) -> int:
    """Serve until the stack unwinds: accept no more, answer what comes for a while, then close what is idle."""
    door = door or Door(ConnectionLimits())
    application.middlewares.insert(0, tell_the_connection)
    runner = web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=finish_s,
        keepalive_timeout=door.limits.idle_s,
        lingering_time=_LINGER_S,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    protocols = runner.server
    assert protocols is not None, "it was set up just now"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(guard(protocols, door), sock=listening, backlog=BACKLOG)
    port = int(listening.getsockname()[1])

    async def accept_no_more() -> None:
        server.close()
        if protocols.connections:
            await asyncio.sleep(last_requests_s)

    stack.push_async_callback(accept_no_more)
    return port
