"""A supervised installation as operators start it, and what its admin ports say."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.journey.demo import DIES_WITH_US, ROOT, free_port
from tests.journey.serving import Server, end, serve_environment

Worker = dict[str, Any]
START_PATIENCE_S = 180.0
"""Six interpreters that import everything at once, on a busy machine."""


class Installation(Server):
    """A running supervisor and its children."""

    async def ask(self, path: str, port: int | None = None) -> tuple[int, Any]:
        """GET from the supervisor's admin port, or a child's."""
        url = f"http://127.0.0.1:{port or self.admin_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await (answer.json() if "json" in answer.content_type else answer.text())

    async def workers(self) -> dict[str, Worker]:
        """The supervisor's children by name."""
        _, state = await self.ask("/healthz")
        return {worker["name"]: worker for worker in state["workers"]}

    async def until(self, holds: Callable[[dict[str, Worker]], bool]) -> dict[str, Worker]:
        """Wait until this holds of the workers."""
        async with asyncio.timeout(START_PATIENCE_S):
            while True:
                workers = await self.workers()
                if holds(workers):
                    return workers
                await asyncio.sleep(0.05)  # another process: nothing to be notified by

    async def kill_worker(self, name: str) -> float:
        """SIGKILL one child; returns the seconds until another serves in its place."""
        loop = asyncio.get_running_loop()
        dead = (await self.workers())[name]["pid"]
        started = loop.time()
        os.kill(dead, signal.SIGKILL)
        await self.until(lambda workers: workers[name]["serves"] and workers[name]["pid"] != dead)
        return loop.time() - started

    async def roll(self) -> tuple[int, str]:
        """`./run roll`, to its end; gives exit status and output."""
        environment = {**os.environ, **self.environment}
        command = (sys.executable, "-m", "server", "roll")
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(START_PATIENCE_S):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()


@asynccontextmanager
async def installed(database_url: str, redis_url: str, *arguments: str, **settings: str) -> AsyncIterator[Installation]:
    """Start `serve` with these arguments, wait until all of it is ready, and end it unless the test has."""
    port = free_port()
    admin_port = free_port()
    environment = serve_environment(database_url, redis_url, port, admin_port=str(admin_port), **settings)
    process = await asyncio.create_subprocess_exec(
        *DIES_WITH_US, sys.executable, "-m", "server", "serve", *arguments, cwd=ROOT, env=environment, process_group=0
    )
    installation = Installation(port, process, admin_port, environment)
    try:
        await _until_all_ready(installation)
        yield installation
    finally:
        await end(installation)


async def _until_all_ready(installation: Installation) -> None:
    async with asyncio.timeout(START_PATIENCE_S):
        while True:
            assert installation.process.returncode is None, "the supervisor ended at start"
            try:
                if (await installation.ask("/readyz"))[0] == 200:
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
