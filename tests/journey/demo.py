"""A demo as a person starts it, without show and crowd, and its HTTP API for preparing a scene."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from server.demo.bank import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@dataclass
class Demo:
    """Where a running demo is."""

    base: str
    process: asyncio.subprocess.Process

    async def sign_in(self, login: str) -> str:
        """Return a session's token."""
        body = await self.call("POST", "/api/v1/sessions", None, {"login": login, "password": PASSWORD})
        return str(body["token"])

    async def call(self, method: str, path: str, token: str | None, body: Any = None, **headers: str) -> Any:
        """One API call that must succeed."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.base + path, json=body, headers=headers) as response,
        ):
            text = await response.text()
            assert response.status < 300, f"{method} {path}: {response.status} {text}"
            return await response.json(content_type=None) if text else None


def free_port() -> int:
    """A port whose next two are free as well, at this moment."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket(type=socket.SOCK_DGRAM) as third:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
            except (OSError, OverflowError):
                continue
            return port


@asynccontextmanager
async def running_demo(data_dir: Path, *options: str) -> AsyncIterator[Demo]:
    """Start a demo, wait until it serves, and stop it as Ctrl-C does."""
    port = free_port()
    argv = [sys.executable, "-m", "server", "demo", "--port", str(port), "--data-dir", str(data_dir / "data"), *options]
    with (data_dir / "demo-output.log").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, "NO_COLOR": "1"}
        )
    demo = Demo(f"http://127.0.0.1:{port}", process)
    try:
        await _until_ready(demo, data_dir)
        yield demo
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()


async def _until_ready(demo: Demo, data_dir: Path) -> None:
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            assert demo.process.returncode is None, (data_dir / "demo-output.log").read_text()
            try:
                async with session.get(f"{demo.base}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)  # another process: nothing to be notified by
