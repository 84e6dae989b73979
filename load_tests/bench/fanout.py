"""`./run bench fanout`: what a frame and an event to one viewer cost the gateway, against a bare write. I/O.

Gateway, publisher, viewers, probe and floor are processes of their own; sampling is off, so every viewer decodes every
event. CPU is the gateway's own user and system time: `us_per_frame` is what a further viewer's frame costs (the same
events are sent to the probe alone first), `us_per_event` has everything in it. The probe's viewers measure delivery
from the time at which an event was to be sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import uvloop

from load_tests.bench.nchan_peer import nchan_us_per_frame
from load_tests.bench.processes import BenchFailed, LineProcess, started
from load_tests.bench.room_crowd import JOIN_S, RoomServer, start_publisher, start_server, start_swarms
from load_tests.bench.ws_peer import node_ws_us_per_frame

KEYS: Final = (
    "us_per_frame", "us_per_event", "floor_us", "ratio", "rss_per_connection_bytes", "p50_ms", "p99_ms", "p999_ms",
    "peers",
)  # fmt: skip
_PROBES: Final = 10
_WARM_UP_S: Final = 3.0
_IDLE_S: Final = 2.0
_FLOOR_S: Final = 10.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when everything that was sent arrived once and in order."""
    parser = argparse.ArgumentParser(prog="./run bench fanout", description=__doc__)
    parser.add_argument("--viewers", type=int, default=1_000)
    parser.add_argument("--events", type=float, default=200.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--tick-ms", type=int, default=100)
    parser.add_argument("--swarms", type=int, default=1, help="processes that the viewers are spread over")
    parser.add_argument("--no-deflate", action="store_true", help="viewers that do not agree to compression")
    parser.add_argument("--writer", choices=("auto", "native", "python"), default="auto", help="how the gateway writes")
    parser.add_argument("--pin", type=int, default=None, metavar="CORE", help="hold gateway and floor on one core")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    found = uvloop.run(run(given))
    if not given.json:
        _explain(found)
    print(json.dumps({key: found[key] for key in KEYS}))
    return 0 if found["sound"] else 1


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure the room with the probe alone, with everyone, then the floor with as many sockets."""
    deflate = () if given.no_deflate else ("--deflate",)
    async with AsyncExitStack() as stack:
        server = await start_server(stack, "--tick-ms", str(given.tick_ms), "--writer", given.writer, core=given.pin)
        probe = await start_swarms(stack, server, _PROBES, 1, "--times", *deflate, prefix="probe")
        publisher = await start_publisher(stack, server)
        await publisher.ask(do="comments", per_s=given.events, for_s=_WARM_UP_S)
        quiet = await _measure(given, server, publisher, probe)
        empty = await server.figures()
        swarms = await start_swarms(stack, server, given.viewers, given.swarms, *deflate)
        await asyncio.sleep(_IDLE_S)
        joined = await server.figures()
        busy = await _measure(given, server, publisher, [*swarms, *probe])
    found = _figures(given, quiet, busy)
    found["rss_per_connection_bytes"] = round((joined["rss_bytes"] - empty["rss_bytes"]) / given.viewers)
    found["floor_us"] = round(await _floor(given, found["mean_bytes"], found["frames_per_s"]), 2)
    found["ratio"] = round(found["us_per_frame"] / found["floor_us"], 3)
    alike = (given.viewers, found["mean_bytes"], found["frames_per_s"], min(given.seconds, _FLOOR_S), given.pin)
    found["peers"] = {"ws": await node_ws_us_per_frame(*alike), "nchan": await nchan_us_per_frame(*alike)}
    return found


@dataclass(frozen=True, slots=True)
class _Phase:
    """What the gateway used and wrote, and what its viewers counted, while as many events were sent."""

    sent: int
    viewers: int
    cpu_us: float
    frames: int
    bytes_out: int
    slow_closes: int
    totals: list[dict[str, Any]]

    def sum_of(self, name: str) -> int:
        """Add up one figure over all processes of viewers."""
        return sum(one[name] for one in self.totals)


async def _measure(
    given: argparse.Namespace, server: RoomServer, publisher: LineProcess, swarms: list[LineProcess]
) -> _Phase:
    await asyncio.sleep(1)
    for swarm in swarms:
        await swarm.ask(do="reset")
    before = await server.figures()
    sent = (await publisher.ask(given.seconds + 60, do="comments", per_s=given.events, for_s=given.seconds))["sent"]
    await asyncio.sleep(1)
    after = await server.figures()
    rise = {name: after[name] - before[name] for name in ("cpu_s", "frames_out", "bytes_out", "slow_closes")}
    totals = [await swarm.ask(JOIN_S, do="totals") for swarm in swarms]
    return _Phase(
        sent, after["connections"], rise["cpu_s"] * 1e6, rise["frames_out"], rise["bytes_out"], rise["slow_closes"],
        totals,
    )  # fmt: skip


def _figures(given: argparse.Namespace, quiet: _Phase, busy: _Phase) -> dict[str, Any]:
    """A frame costs what the viewers beside the probe added; an event to a viewer has its share of everything."""
    events, delays = busy.sum_of("events"), busy.totals[-1]["delays_us"]
    if not delays or busy.frames <= quiet.frames:
        raise BenchFailed("nothing was delivered")
    lost = busy.sent * busy.viewers - events - busy.sum_of("sampled_out") - busy.sum_of("shed")
    return {
        "us_per_frame": round((busy.cpu_us - quiet.cpu_us) / (busy.frames - quiet.frames), 2),
        "us_per_event": round(busy.cpu_us / events, 3),
        "us_per_frame_all": round(busy.cpu_us / busy.frames, 2),
        "mean_bytes": busy.bytes_out // busy.frames,
        "frames_per_s": busy.frames / busy.viewers / given.seconds,
        **{name: round(delays[int(len(delays) * share)] / 1e3, 1) for name, share in _PERCENTILES},
        "core": busy.cpu_us / 1e6 / given.seconds,
        "quiet_core": quiet.cpu_us / 1e6 / given.seconds,
        "events": events,
        "lost": lost,
        "repeated": busy.sum_of("repeated"),
        "slow_closes": busy.slow_closes,
        "sound": lost == 0 and busy.sum_of("repeated") == 0,
    }


_PERCENTILES: Final = (("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999))


async def _floor(given: argparse.Namespace, size: int, per_s: float) -> float:
    """Write frames of the same size to as many bare sockets, as often; return the CPU of one, in microseconds."""
    seconds = min(given.seconds, _FLOOR_S)
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
        f"frames of {found['mean_bytes']:,} bytes, {found['frames_per_s']:.1f} a second and viewer; the gateway used "
        f"{found['core']:.3f} of a core, {found['quiet_core']:.3f} for the same events with {_PROBES} viewers; "
        f"{found['us_per_frame_all']} us a frame with everything in it"
    )
