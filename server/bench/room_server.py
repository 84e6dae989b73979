"""The program's gateway alone, on a Valkey and a PostgreSQL of its own: what benchmarks measure. I/O.

`python -m server.bench.room_server --readable 0` listens on loopback only and prints one line of JSON when ready and
one for each line it gets: `do: tokens` makes tokens of viewers, anything else tells its own CPU time, memory and
counters. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import redis.asyncio
import uvloop

from server.app import Parts
from server.bench.bank import DATA_KEYS
from server.demo.bank import OWN_ID
from server.demo.seed import seed
from server.embedded.postgres import start_postgres
from server.embedded.valkey import start_valkey
from server.garbage import calm_collector
from server.migrate import migrate
from server.settings import Settings, load_settings


@contextmanager
def stores() -> Iterator[tuple[str, str]]:
    """Run both stores in a folder of their own; yields the URLs of Redis and of a migrated database."""
    folder = Path(tempfile.mkdtemp(prefix="wcb-"))
    folder.chmod(0o755)
    runtime = folder / "r"
    runtime.mkdir()
    runtime.chmod(0o777)
    valkey = start_valkey(folder, runtime)
    try:
        postgres = start_postgres(folder, runtime)
        try:
            migrate(postgres.url)
            seed(postgres.url, DATA_KEYS)
            yield valkey.url, postgres.url
        finally:
            postgres.stop()
    finally:
        valkey.stop()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Parts]:
    """Run the gateway's part of the program, with a broadcast that is live."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=5, max_connections=64
    )
    pool = await asyncpg.create_pool(settings.database_url.get_secret_value(), min_size=2, max_size=24)
    await pool.execute("UPDATE broadcasts SET state = 'live' WHERE broadcast_id = $1", OWN_ID)
    parts = Parts(settings, pool, client)
    assert parts.gateway is not None
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(work) for work in parts.background()]
        await parts.gateway.start()
        yield parts
        await parts.gateway.stop(2.0)
        for task in running:
            task.cancel()
    parts.passwords.close()
    pool.terminate()
    await client.aclose()


def figures(parts: Parts) -> dict[str, Any]:
    """This process's user and system time, resident memory, and the gateway's counters."""
    assert parts.gateway is not None
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    cpu_s = used.ru_utime + used.ru_stime
    return {"cpu_s": cpu_s, "rss_bytes": pages * resource.getpagesize(), **asdict(parts.gateway.counters)}


def issue_tokens(parts: Parts, count: int, prefix: str) -> list[str]:
    """Make tokens of as many viewers."""
    now_s = int(time.time())
    names = [f"ac_{prefix}{number}" for number in range(count)]
    return [parts.tokens.issue(name, "viewer", name, now_s=now_s)[0] for name in names]


async def serve(settings: Settings) -> None:
    """Answer each line with tokens or the figures until the input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with serving(settings) as parts:
        assert parts.gateway is not None
        ready = {"port": parts.gateway.port, "redis_url": settings.redis_url.get_secret_value(), "broadcast_id": OWN_ID}
        calm_collector()  # as the program does once it serves
        print(json.dumps(ready), flush=True)
        while line := await reader.readline():
            order = json.loads(line)
            if order["do"] == "tokens":
                answer: dict[str, Any] = {"tokens": issue_tokens(parts, order["count"], order["prefix"])}
            else:
                answer = figures(parts)
            print(json.dumps(answer), flush=True)


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readable", type=int, default=0, help="comments a second that viewers are shown; 0: all")
    parser.add_argument("--tick-ms", type=int, default=100)
    parser.add_argument("--proxy", default=None, metavar="NETWORK", help="whose word on a client's address is taken")
    parser.add_argument("--writer", choices=("auto", "native", "python"), default="auto", help="of a room's frames")
    given = parser.parse_args()
    with stores() as (redis_url, database_url):
        settings = load_settings(
            redis_url=redis_url,
            database_url=database_url,
            jwt_secret=secrets.token_hex(32),
            data_keys=DATA_KEYS,
            roles=("gateway",),
            host="127.0.0.1",
            gateway_port=0,
            trusted_proxies=(given.proxy,) if given.proxy else (),
            comments_shown_per_s=given.readable,
            room_tick_ms=given.tick_ms,
            room_frame_writer=given.writer,
        )
        uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
