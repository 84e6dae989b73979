"""A demo as a person starts it, and its HTTP API for preparing a scene; processes that end with their test. I/O."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from server.demo import bank
from server.embedded.serving import free_ports

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
_STARTS_WITHIN_S = 120.0  # a second on a machine of its own; seen to pass 60 s beside a dozen busy processes
# What a killed test run leaves behind is told to end by the kernel, where there is a program that asks for it.
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM") if sys.platform == "linux" and shutil.which("setpriv") else ()


@dataclass
class Demo:
    """Where a running demo is."""

    base: str
    process: asyncio.subprocess.Process
    log: Path

    async def printed(self) -> str:
        """Everything that it says when it is ready: a moment after /readyz says so."""
        last = bank.offered_accounts()[-1]["login"]
        async with asyncio.timeout(PATIENCE_S):
            while last not in self.log.read_text():  # noqa: ASYNC110  # another process: nothing notifies us
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # for what follows in the same breath
        return self.log.read_text()

    async def sign_in(self, login: str) -> str:
        """Return a session's token."""
        body = await self.call("POST", "/api/v1/sessions", None, {"login": login, "password": bank.PASSWORD})
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
    """A port that is free with its next two, and that no other test takes for as long as this process lives."""
    return free_ports(2, 1)


async def end_process(process: asyncio.subprocess.Process, sig: signal.Signals) -> None:
    """Ask the process to end and wait; one that stays is killed with its group, and the test fails."""
    if process.returncode is not None:
        return
    process.send_signal(sig)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    except BaseException:  # too late, or the test's own time is over: nothing may stay behind
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


@asynccontextmanager
async def running_demo(data_dir: Path, *options: str) -> AsyncIterator[Demo]:
    """Start a demo, wait until it serves, and stop it as Ctrl-C does."""
    port = free_port()
    argv = [sys.executable, "-m", "server", "demo", "--port", str(port), "--data-dir", str(data_dir / "data"), *options]
    log = data_dir / "demo-output.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *DIES_WITH_US,
            *argv,
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env={**os.environ, "NO_COLOR": "1"},
            process_group=0,
        )
    demo = Demo(f"http://127.0.0.1:{port}", process, log)
    try:
        await _until_ready(demo)
        yield demo
    finally:
        await end_process(process, signal.SIGINT)


async def _until_ready(demo: Demo) -> None:
    async with asyncio.timeout(_STARTS_WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            assert demo.process.returncode is None, demo.log.read_text()
            try:
                async with session.get(f"{demo.base}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)  # another process: nothing to be notified by
