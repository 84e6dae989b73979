"""`./run bench relay`: server CPU a forwarded packet against the floor in the same run, and what viewers received. I/O.

The server, the viewers and the publisher are processes of their own. Run it twice, with `--writer native` and
`--writer python`, to compare the two packet writers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import ClientSession, ClientTimeout

from load_tests.bench import janus, pattern
from load_tests.bench.floor import Floor, FloorUnavailable, measure
from load_tests.bench.processes import BenchFailed, LineProcess, Usage, started
from load_tests.bench.signalling import HEADERS, JANUS_PREFIX
from load_tests.bench.source import Source
from load_tests.bench.webrtc_client import Identity

_SETTLE_S = 2.0
_CONNECT_TIMEOUT_S = 30.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="./run bench relay", description=__doc__)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--writer", choices=("native", "python", "auto"), default="auto")
    parser.add_argument("--swarms", type=int, default=1, help="processes that the viewers are spread over")
    parser.add_argument(
        "--pin", type=int, default=None, metavar="CORE", help="hold the server on one core, all else on the others"
    )
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    if given.pin is not None:
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {given.pin})
    found = uvloop.run(run(given))
    if not given.json:
        _explain(found)
    keys = ("us_per_packet", "floor_us", "ratio", "loss", "viewers", "writer", "janus_us_per_packet")
    print(json.dumps({key: found[key] for key in keys}))
    return 0


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure relay, then floor, on the same viewers."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            started("server.bench.relay_server", "--writer", given.writer, core=given.pin)
        )
        ready = await server.read(30)
        base = f"http://127.0.0.1:{ready['http_port']}"
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=60), headers=HEADERS))
        source = Source(Identity())
        stack.callback(source.close)
        await source.publish(http, f"{base}/whip/bench", _CONNECT_TIMEOUT_S)
        swarms = [
            await stack.enter_async_context(started("load_tests.bench.swarm", f"{base}/whep/bench"))
            for _ in range(given.swarms)
        ]
        shares = [len(range(i, given.viewers, given.swarms)) for i in range(given.swarms)]
        joins = [swarm.ask(300, do="join", viewers=share) for swarm, share in zip(swarms, shares, strict=True)]
        await asyncio.gather(*joins)
        sending = asyncio.create_task(source.run())
        stack.push_async_callback(_cancel, sending)
        found = await _measure_relay(given, swarms, http, base)
        await _cancel(sending)
        floor = await _measure_floor(given, swarms)
    found["floor"] = floor
    found["floor_us"] = round(floor.total_us, 3) if floor is not None else None
    found["ratio"] = round(found["us_per_packet"] / floor.total_us, 3) if floor is not None else None
    found["janus_us_per_packet"] = await _measure_janus(given)
    return found


async def _measure_janus(given: argparse.Namespace) -> float | None:
    """The same stream through Janus to as many viewers; None where it is missing."""
    source = Source(Identity())
    try:
        async with (
            janus.running() as server,
            started("load_tests.bench.swarm", f"{JANUS_PREFIX}{server.api}") as swarm,
        ):
            source.publish_plain(server.video_port, server.audio_port)
            await swarm.ask(300, do="join", viewers=given.viewers)
            sending = asyncio.create_task(source.run())
            try:
                await asyncio.sleep(_SETTLE_S)
                await swarm.ask(do="reset")
                before = Usage.of(server.pid)
                await asyncio.sleep(given.seconds / 2)
                after = Usage.of(server.pid)
                totals = await swarm.ask(do="totals")
            finally:
                await _cancel(sending)
    except (janus.JanusUnavailable, BenchFailed) as reason:
        print(f"janus not measured: {reason}")
        return None
    finally:
        source.close()
    received: int = totals["received"]
    return round((after.cpu_s - before.cpu_s) * 1e6 / max(1, received), 3)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _measure_relay(
    given: argparse.Namespace, swarms: list[LineProcess], http: ClientSession, base: str
) -> dict[str, Any]:
    """Count over the window; what is in flight at its edges is a few packets of hundreds of thousands."""
    await asyncio.sleep(_SETTLE_S)
    await asyncio.gather(*(swarm.ask(do="reset") for swarm in swarms))
    before = await _figures(http, base)
    await asyncio.sleep(given.seconds)
    after = await _figures(http, base)
    totals = await asyncio.gather(*(swarm.ask(do="totals") for swarm in swarms))
    sent, received, missing = (
        after["packets_out"] - before["packets_out"],
        *(sum(total[name] for total in totals) for name in ("received", "missing")),
    )
    return {
        "us_per_packet": round((after["cpu_s"] - before["cpu_s"]) * 1e6 / max(1, sent), 3),
        "loss": round(missing / max(1, received + missing), 6),
        "viewers": sum(total["viewers"] for total in totals),
        "writer": after["writer"],
        "core_share": round((after["cpu_s"] - before["cpu_s"]) / given.seconds, 3),
        "packets_per_s": round(received / given.seconds),
        "mbps_per_viewer": round(sum(t["octets"] for t in totals) * 8e-6 / given.seconds / max(1, given.viewers), 3),
        "delay_p99_ms": [total["delay_p99_ms"] for total in totals],
        **{name: sum(total[name] for total in totals) for name in ("late", "decrypted", "undecryptable", "silent")},
        **{name: after[name] - before[name] for name in ("packets_queued", "packets_dropped")},
        "rss_mb": round(after["rss_bytes"] / 1e6, 1),
    }


async def _figures(http: ClientSession, base: str) -> dict[str, Any]:
    async with http.get(f"{base}/figures") as response:
        read: dict[str, Any] = await response.json()
        return read


async def _measure_floor(given: argparse.Namespace, swarms: list[LineProcess]) -> Floor | None:
    lists = await asyncio.gather(*(swarm.ask(do="addresses") for swarm in swarms))
    ports = [address[1] for listed in lists for address in listed["addresses"]]
    try:
        return await measure(ports, given.seconds / 2)
    except FloorUnavailable as reason:
        print(f"floor not measured: {reason}")
        return None


def _explain(found: dict[str, Any]) -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "unknown processor")
    print(f"{os.cpu_count()} cores of {model}; pattern: {pattern.PACKETS_PER_S} packets/s a viewer")
    for name, value in found.items():
        print(f"  {name}: {value}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
