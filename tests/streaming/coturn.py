"""The real coturn of Debian, alone on loopback with a shared secret, for as long as a block."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.embedded.serving import free_ports

PROGRAM = shutil.which("turnserver")
SECRET = "a-shared-secret-of-the-tests"
needs_coturn = pytest.mark.skipif(PROGRAM is None, reason="no coturn on this machine (Debian: apt install coturn)")
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Coturn:
    """A running TURN server."""

    host: str
    port: int

    def url(self, transport: str) -> str:
        return f"turn:{self.host}:{self.port}?transport={transport}"


@asynccontextmanager
async def coturn(folder: Path, host: str = "127.0.0.1") -> AsyncIterator[Coturn]:
    """Start one that relays from and to loopback, and wait until it takes connections."""
    assert PROGRAM is not None
    port = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "-n", "--listening-ip", host, "--relay-ip", host, "--listening-port", str(port),
        "--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "wealthcast.test", "--allow-loopback-peers",
        "--no-cli", "--no-tls", "--no-dtls", "--pidfile", str(folder / "pid"), "--log-file", "stdout",
        "--userdb", str(folder / "turndb"), "--simple-log",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not _listens(host, port):
                assert process.returncode is None, "coturn ended at start"
                await asyncio.sleep(0.05)
        yield Coturn(host, port)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(_PATIENCE_S):
            await process.wait()


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
