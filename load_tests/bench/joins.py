"""`./run bench joins`: CPU and memory of a WHEP join beside stock aiortc's in the same run, and the first picture. I/O.

`cpu_ms_per_join` and `stock_ms_per_join` leave HTTP out on both sides (offers by lines on a unix socket);
`joins_per_s` is what one core could take with HTTP. First pictures are those of a publisher that encodes and makes
keyframes only when asked, at 50 joins a second: one in twenty of the joiners decodes what it gets.
`first_frame_p95_ms` is from the offer to the first decoded picture, `freeze_longest_ms` the longest time between two
pictures of a joiner in the 3.5 s after, and `behind_live_p95_ms` how old its oldest picture was from two seconds on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import uvloop
from aiohttp import ClientSession, ClientTimeout

from load_tests.bench.picture_source import PictureSource
from load_tests.bench.processes import LineProcess, Usage, started
from load_tests.bench.signalling import HEADERS
from load_tests.bench.webrtc_client import Identity

_CONNECT_TIMEOUT_S: Final = 30.0
_SETTLE_S: Final = 1.0
_JOINS_PER_S: Final = 50
_WARM_UP: Final = 20
_DECODING: Final = 20
"""One joiner in so many decodes: more would be short of CPU themselves."""
_KEYS: Final = (
    "cpu_ms_per_join", "stock_ms_per_join", "ratio", "joins_per_s", "rss_per_viewer_bytes", "first_frame_p95_ms",
    "freeze_longest_ms", "behind_live_p95_ms", "keyframe_requests_per_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JoinCost:
    """What one join took of the server."""

    cpu_ms: float
    rss_bytes: float


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="./run bench joins", description=__doc__)
    parser.add_argument("--viewers", type=int, default=400, help="joins in each part")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    found = uvloop.run(run(given.viewers))
    if not given.json:
        for name, value in found.items():
            print(f"  {name}: {value}")
    print(json.dumps({key: found[key] for key in _KEYS}))
    return 0


async def run(viewers: int) -> dict[str, Any]:
    """Ours without HTTP, ours with it, stock, then first pictures."""
    with tempfile.TemporaryDirectory() as folder:
        lines, stock_lines = f"{folder}/relay", f"{folder}/stock"
        async with started("server.bench.relay_server", "--lines", lines) as server:
            base = f"http://127.0.0.1:{(await server.read(30))['http_port']}"
            bare = await _join_cost(server, lines, viewers)
            with_http = await _join_cost(server, f"{base}/whep/bench", viewers)
        async with started("load_tests.bench.stock_server", stock_lines) as stock_server:
            await stock_server.read(30)
            stock = await _join_cost(stock_server, stock_lines, viewers)
        first = await _first_frames(min(viewers, 4 * _JOINS_PER_S))
    return {
        "cpu_ms_per_join": round(bare.cpu_ms, 3),
        "stock_ms_per_join": round(stock.cpu_ms, 3),
        "ratio": round(bare.cpu_ms / stock.cpu_ms, 3) if stock.cpu_ms else None,
        "cpu_ms_per_join_with_http": round(with_http.cpu_ms, 3),
        "joins_per_s": round(1000 / with_http.cpu_ms) if with_http.cpu_ms else None,
        "rss_per_viewer_bytes": round(bare.rss_bytes),
        "stock_rss_per_viewer_bytes": round(stock.rss_bytes),
        **first,
    }


async def _join_cost(server: LineProcess, place: str, viewers: int) -> JoinCost:
    async with started("load_tests.bench.swarm", place) as swarm:
        await swarm.ask(120, do="join", viewers=_WARM_UP)
        await asyncio.sleep(_SETTLE_S)
        before = Usage.of(server.pid)
        await swarm.ask(300, do="join", viewers=viewers)
        joined = Usage.of(server.pid)
        await asyncio.sleep(_SETTLE_S)
        settled = Usage.of(server.pid)
    return JoinCost(
        (joined.cpu_s - before.cpu_s) * 1e3 / viewers,
        max(0, settled.rss_bytes - before.rss_bytes) / viewers,
    )


async def _first_frames(viewers: int) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(started("server.bench.relay_server"))
        base = f"http://127.0.0.1:{(await server.read(30))['http_port']}"
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=60), headers=HEADERS))
        source = PictureSource(Identity())
        stack.callback(source.close)
        await source.publish(http, f"{base}/whip/bench", _CONNECT_TIMEOUT_S)
        sending = asyncio.create_task(source.run())
        stack.push_async_callback(_cancel, sending)
        swarm = await stack.enter_async_context(started("load_tests.bench.swarm", f"{base}/whep/bench"))
        watchers = await stack.enter_async_context(started("load_tests.bench.watcher", f"{base}/whep/bench"))
        await asyncio.sleep(_SETTLE_S)
        decoding = max(1, viewers // _DECODING)
        asked_before, began_s = source.keyframe_requests, time.monotonic()
        before = Usage.of(watchers.pid)
        share = decoding / viewers
        others = swarm.ask(300, do="join", viewers=max(1, viewers - decoding), per_s=_JOINS_PER_S * (1 - share))
        decoders = watchers.ask(300, viewers=decoding, per_s=_JOINS_PER_S * share)
        found: list[dict[str, Any]] = (await asyncio.gather(others, decoders))[1]["watchers"]
        lasted_s = time.monotonic() - began_s
        asked_per_s = (source.keyframe_requests - asked_before) / lasted_s
        decoders_share = (Usage.of(watchers.pid).cpu_s - before.cpu_s) / lasted_s
    assert all(one["pictures"] and one["broken"] == 0 for one in found), f"a viewer saw no whole picture: {found}"
    return {
        "first_frame_p95_ms": _p95([one["first_ms"] for one in found]),
        "freeze_longest_ms": _p95([one["longest_gap_ms"] for one in found], 1.0),
        "behind_live_p95_ms": _p95([one["behind_ms"] for one in found if one["behind_ms"] is not None]),
        "keyframe_requests_per_s": round(asked_per_s, 2),
        "decoders_core_share": round(decoders_share, 2),
        "decoded": sum(one["pictures"] for one in found),
        "unreadable": sum(one["unreadable"] for one in found),
    }


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _p95(values: list[float], share: float = 0.95) -> float | None:
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, int(len(ranked) * share))], 1) if ranked else None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
