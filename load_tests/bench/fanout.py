"""`./run bench fanout`: what a frame and an event to one viewer cost the gateway, against a bare write. I/O.

Gateway, publisher, viewers, probe and floor are processes of their own; sampling is off, so every viewer decodes every
event. CPU is the gateway's own user and system time. The probe's viewers measure delivery from the time at which an
event was to be sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, Final

import uvloop

from load_tests.bench.processes import BenchFailed, LineProcess, started
from load_tests.bench.room_crowd import JOIN_S, RoomServer, start_publisher, start_server, start_swarms

KEYS: Final = (
    "us_per_frame", "us_per_event", "floor_us", "ratio", "rss_per_connection_bytes", "p50_ms", "p99_ms", "p999_ms",
    "peers",
)  # fmt: skip
_PROBES: Final = 10
_WARM_UP_S: Final = 3.0
_IDLE_S: Final = 2.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when everything that was sent arrived once and in order."""
    parser = argparse.ArgumentParser(prog="./run bench fanout", description=__doc__)
    parser.add_argument("--viewers", type=int, default=1_000)
    parser.add_argument("--events", type=float, default=200.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--tick-ms", type=int, default=100)
    parser.add_argument("--swarms", type=int, default=1, help="processes that the viewers are spread over")
    parser.add_argument("--no-deflate", action="store_true", help="viewers that do not agree to compression")
    parser.add_argument("--pin", type=int, default=None, metavar="CORE", help="hold gateway and floor on one core")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    found = uvloop.run(run(given))
    if not given.json:
        _explain(found)
    print(json.dumps({key: found[key] for key in KEYS}))
    return 0 if found["sound"] else 1


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure the room, then the floor, with as many sockets."""
    deflate = () if given.no_deflate else ("--deflate",)
    async with AsyncExitStack() as stack:
        server = await start_server(stack, "--tick-ms", str(given.tick_ms), core=given.pin)
        # One viewer opens the room and what it needs, which is not a cost of the others.
        await start_swarms(stack, server, 1, 1, *deflate, prefix="first")
        empty = await server.figures()
        swarms = await start_swarms(stack, server, given.viewers, given.swarms, *deflate)
        await asyncio.sleep(_IDLE_S)
        joined = await server.figures()
        found = await _measure(given, stack, server, swarms)
        found["rss_per_connection_bytes"] = round((joined["rss_bytes"] - empty["rss_bytes"]) / given.viewers)
    found["floor_us"] = round(await _floor(given, found["mean_bytes"], found["frames_per_s"]), 2)
    found["ratio"] = round(found["us_per_frame"] / found["floor_us"], 3)
    return found


async def _measure(
    given: argparse.Namespace, stack: AsyncExitStack, server: RoomServer, swarms: list[LineProcess]
) -> dict[str, Any]:
    counting = [*swarms, *await start_swarms(stack, server, _PROBES, 1, "--times", prefix="probe")]
    publisher = await start_publisher(stack, server)
    await publisher.ask(do="comments", per_s=given.events, for_s=_WARM_UP_S)
    await asyncio.sleep(1)
    for swarm in counting:
        await swarm.ask(do="reset")
    before = await server.figures()
    sent = (await publisher.ask(given.seconds + 60, do="comments", per_s=given.events, for_s=given.seconds))["sent"]
    await asyncio.sleep(1)
    after = await server.figures()
    totals = [await swarm.ask(JOIN_S, do="totals") for swarm in counting]
    return _figures(given, before, after, totals, sent)


def _figures(
    given: argparse.Namespace, before: dict[str, Any], after: dict[str, Any], totals: list[dict[str, Any]], sent: int
) -> dict[str, Any]:
    cpu_us = (after["cpu_s"] - before["cpu_s"]) * 1e6
    frames = after["frames_out"] - before["frames_out"]
    events = sum(one["events"] for one in totals)
    delays = totals[-1]["delays_us"]
    if not events or not frames or not delays:
        raise BenchFailed("nothing was delivered")
    lost = sent * (given.viewers + _PROBES) - events - sum(one["sampled_out"] + one["shed"] for one in totals)
    repeated = sum(one["repeated"] for one in totals)
    return {
        "us_per_frame": round(cpu_us / frames, 2),
        "us_per_event": round(cpu_us / events, 3),
        "mean_bytes": (after["bytes_out"] - before["bytes_out"]) // frames,
        "frames_per_s": frames / (given.viewers + _PROBES) / given.seconds,
        **{name: round(delays[int(len(delays) * share)] / 1e3, 1) for name, share in _PERCENTILES},
        "peers": {},
        "core": round(cpu_us / 1e6 / given.seconds, 3),
        "events": events,
        "lost": lost,
        "repeated": repeated,
        "slow_closes": after["slow_closes"] - before["slow_closes"],
        "sound": lost == 0 and repeated == 0,
    }


_PERCENTILES: Final = (("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999))


async def _floor(given: argparse.Namespace, size: int, per_s: float) -> float:
    """Write frames of the same size to as many bare sockets, as often; return the CPU of one, in microseconds."""
    seconds = min(given.seconds, 10.0)
    arguments = (str(given.viewers), str(size), f"{per_s:.3f}", str(seconds))
    async with started("load_tests.bench.write_floor", *arguments, core=given.pin) as floor:
        port = (await floor.read(30))["port"]
        async with started("load_tests.bench.bare_readers", str(port), str(given.viewers)) as readers:
            await readers.read(60)
            answer = await floor.ask(seconds + 60, do="write")
    return float(answer["us_per_frame"])


def _explain(found: dict[str, Any]) -> None:
    print(
        f"{found['events']:,} events decoded by the viewers, lost {found['lost']}, repeated {found['repeated']}, "
        f"slow closes {found['slow_closes']}\n"
        f"frames of {found['mean_bytes']:,} bytes, {found['frames_per_s']:.1f} a second and viewer; "
        f"the gateway used {found['core']:.2f} of a core"
    )
