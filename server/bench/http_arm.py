"""The order measurement over HTTP: the production command in a process of its own, buyers in another. Does I/O."""

import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import redis.asyncio

from chat.presence_redis import RedisPresence
from server.auth.tokens import Tokens
from server.bench.bank import DATA_KEYS
from server.embedded.serving import free_ports, loopback_environment

_SECRET = "for-measuring-only-and-made-for-nothing-else"
_PATIENCE_S = 45.0  # for a server to start, and for buyers to start and to end
_DRAIN_S = 20.0
_ACCOUNTS = """
    INSERT INTO accounts (account_id, login, password_hash, role, display_name, nickname, licence_no) VALUES
    ('ac_bench_host', 'bench_host', '', 'host', '林晓', '林晓', 'L-001'),
    ('ac_bench_monitor', 'bench_monitor', '', 'monitor', '周敏', '周敏', NULL)"""
_BROADCAST = """
    INSERT INTO broadcasts (broadcast_id, title, state, maker_id, host_id, monitor_id, clock_started_at, started_at)
    VALUES ($1, '早间理财', 'live', 'ac_bench_host', 'ac_bench_host', 'ac_bench_monitor', $2, $2)"""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the server keeps things; both URLs are secrets."""

    database_url: str
    redis_url: str


async def measure_http(
    pool: asyncpg.Pool, stores: Stores, folder: Path, arm: str, *, buyers: int, clients: int, seconds: float
) -> dict[str, Any]:
    """Serve `bc_<arm>`, whose shop is open already, and let buyers order; returns what they heard."""
    await pool.execute(_ACCOUNTS)
    await pool.execute(_BROADCAST, f"bc_{arm}", datetime.now(UTC))
    client = redis.asyncio.Redis.from_url(stores.redis_url)
    await RedisPresence(client).report(f"bc_{arm}", "gw-bench", 1, ["ac_bench_monitor"])
    await client.aclose()
    port = free_ports(3)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "serve", env=_environment(stores, port), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await _until_ready(server, port)
        asked = folder / "buyers.jsonl"
        asked.write_text("\n".join(_buyer(n, arm) for n in range(1, buyers + 1)))
        return await _order(port, asked, clients, seconds)
    finally:
        await _end(server)


async def _end(server: asyncio.subprocess.Process) -> None:
    if server.returncode is None:
        server.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_DRAIN_S):
                await server.wait()
        except TimeoutError:
            server.kill()
            await server.wait()


def _buyer(number: int, arm: str) -> str:
    tokens = Tokens(_SECRET, ttl_s=3600)
    token, _ = tokens.issue(f"ac_bench{number}", "viewer", "安", now_s=int(time.time()))
    return json.dumps({"token": token, "acknowledgement_id": f"ak_{arm}_{number}"})


async def _order(port: int, asked: Path, clients: int, seconds: float) -> dict[str, Any]:
    argv = ["-m", "load_tests.bench.order_buyers", "--port", str(port), "--buyers", str(asked)]
    argv += ["--clients", str(clients), "--seconds", str(seconds)]
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds + _PATIENCE_S):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    heard: dict[str, Any] = json.loads(out)
    return heard


def _environment(stores: Stores, port: int) -> dict[str, str]:
    settings = {"roles": '["api", "commerce"]', "monitor_absent_after_s": "3600", "log_level": "warning"}
    return loopback_environment(stores.database_url, stores.redis_url, port, _SECRET, DATA_KEYS, **settings)


async def _until_ready(server: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(_PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            if server.returncode is not None:
                raise RuntimeError("the server ended at start")
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
