"""The media engine alone behind WHIP, WHEP and a page of figures, open to everybody: what benchmarks measure. I/O.

`python -m server.bench.relay_server --writer native` listens on loopback only, prints one line of JSON when ready, and
ends when its standard input does. `GET /figures` tells its own CPU time and memory, and what it sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import resource
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import uvloop
from aiohttp import web

from server.http.signalling import Permit, routes
from streaming.egress_choice import WriterName
from streaming.engine import MediaEngine
from streaming.media_settings import MediaSettings


class OpenGate:
    """Lets everybody in: this server carries a synthetic stream on loopback."""

    async def may_publish(self, broadcast_id: str, bearer: str) -> Permit:
        """Admit."""
        return Permit(bearer, math.inf)

    async def may_view(self, broadcast_id: str, bearer: str) -> Permit:
        """Admit."""
        return Permit(bearer, math.inf)


def figures(engine: MediaEngine) -> dict[str, object]:
    """This process's user and system time, resident memory, and the engine's counters."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    stats = engine.snapshot()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_bytes": pages * resource.getpagesize(),
        "packets_out": stats.packets_out,
        "bytes_out": stats.bytes_out,
        "packets_queued": stats.packets_queued,
        "packets_dropped": stats.packets_dropped,
        "viewers": stats.viewers,
        "half_open": stats.half_open,
        "send_buffer_bytes": stats.send_buffer_bytes,
        "writer": engine.writer_choice.name,
    }


async def answer_lines(engine: MediaEngine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer viewers' offers, one JSON line each: signalling without HTTP, to measure what HTTP costs."""
    while line := await reader.readline():
        answer = await engine.view("bench", "bench", json.loads(line)["offer"])
        writer.write(json.dumps({"answer": answer.sdp}).encode() + b"\n")
    writer.close()


async def serve(settings: MediaSettings, lines: str | None) -> None:
    """Run until standard input ends; `lines` names a unix socket for signalling without HTTP."""
    engine = MediaEngine(settings, lambda _: None)
    application = web.Application()
    application.add_routes(routes(engine, OpenGate()))

    async def tell(_: web.Request) -> web.Response:
        return web.json_response(figures(engine))

    application.router.add_get("/figures", tell)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await engine.start()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    if lines is not None:
        await asyncio.start_unix_server(partial(answer_lines, engine), lines)
    print(json.dumps({"http_port": runner.addresses[0][1], "writer": engine.writer_choice.name}), flush=True)
    try:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    finally:
        await runner.cleanup()
        await engine.stop()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--writer", choices=get_args(WriterName), default="auto")
    arguments.add_argument("--lines", default=None, help="a unix socket that answers offers without HTTP")
    given = arguments.parse_args()
    loopback = MediaSettings(bind_host="127.0.0.1", max_viewers=20_000, max_half_open=20_000, joins_per_s=100_000)
    uvloop.run(serve(replace(loopback, packet_writer=given.writer), given.lines))
