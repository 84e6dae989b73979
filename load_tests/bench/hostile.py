"""`./run bench hostile`: what each kind of attack on a room does to everyone else's delivery. I/O.

Viewers, probe, publisher and attackers are processes of their own; the attackers stand behind one address of a trusted
proxy, so that the gateway's limits by address hold for them. Each attack's delivery is set against that of a quiet
room before it, measured from the time at which an event was to be sent; memory is looked at when it is over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, Final

import uvloop

from load_tests.bench.hostile_crowd import ATTACKS
from load_tests.bench.processes import LineProcess, started
from load_tests.bench.room_crowd import JOIN_S, RoomServer, start_publisher, start_server, start_swarms

_SOURCE: Final = "127.0.0.2"
_ATTACKERS: Final = 50
_SETTLE_S: Final = 2.0
_MEGABYTE: Final = 1 << 20


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when everyone else got everything once and in order."""
    parser = argparse.ArgumentParser(prog="./run bench hostile", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"all by default: {', '.join(ATTACKS)}")
    parser.add_argument("--viewers", type=int, default=500)
    parser.add_argument("--events", type=float, default=50.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each attack, and for the quiet before it")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    if unknown := set(given.attacks) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    rows = uvloop.run(run(given))
    if not given.json:
        _explain(rows)
    print(json.dumps({"attacks": rows}))
    return 0 if all(row["lost"] == row["repeated"] == 0 for row in rows) else 1


async def run(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Fill a room, then try one attack after the other."""
    rows = []
    async with AsyncExitStack() as stack:
        server = await start_server(stack, "--proxy", _SOURCE, core=None)
        swarms = await start_swarms(stack, server, given.viewers, 1, "--deflate", "--times")
        publisher = await start_publisher(stack, server)
        crowd = await stack.enter_async_context(
            started("load_tests.bench.hostile_crowd", str(server.port), server.broadcast_id, _SOURCE)
        )
        tokens = (await server.process.ask(do="tokens", count=_ATTACKERS, prefix="hostile"))["tokens"]
        await publisher.ask(do="comments", per_s=given.events, for_s=_SETTLE_S)
        for name in given.attacks or ATTACKS:
            quiet = await _measure(given, server, publisher, swarms[0])
            attacking = asyncio.create_task(crowd.ask(JOIN_S, do=name, tokens=tokens, for_s=given.seconds + _SETTLE_S))
            await asyncio.sleep(_SETTLE_S / 2)
            busy = await _measure(given, server, publisher, swarms[0])
            rows.append(_row(name, quiet, busy, await attacking))
            await asyncio.sleep(_SETTLE_S)
            rows[-1]["rss_growth_mb"] = round(
                ((await server.figures())["rss_bytes"] - quiet["rss_bytes"]) / _MEGABYTE, 1
            )
    return rows


async def _measure(
    given: argparse.Namespace, server: RoomServer, publisher: LineProcess, viewers: LineProcess
) -> dict[str, Any]:
    await viewers.ask(do="reset")
    before = await server.figures()
    sent = (await publisher.ask(given.seconds + 60, do="comments", per_s=given.events, for_s=given.seconds))["sent"]
    await asyncio.sleep(_SETTLE_S / 4)
    after, totals = await server.figures(), await viewers.ask(JOIN_S, do="totals")
    delays = totals["delays_us"]
    return {
        "p99_ms": delays[int(len(delays) * 0.99)] / 1e3,
        "core": (after["cpu_s"] - before["cpu_s"]) / given.seconds,
        "rss_bytes": before["rss_bytes"],
        "lost": sent * given.viewers - totals["events"] - totals["sampled_out"] - totals["shed"],
        "repeated": totals["repeated"],
    }


def _row(name: str, quiet: dict[str, Any], busy: dict[str, Any], attackers: dict[str, int]) -> dict[str, Any]:
    return {
        "name": name,
        "quiet_p99_ms": round(quiet["p99_ms"], 1),
        "p99_ms": round(busy["p99_ms"], 1),
        "ratio": round(busy["p99_ms"] / quiet["p99_ms"], 2),
        "core": round(busy["core"], 3),
        "quiet_core": round(quiet["core"], 3),
        "lost": busy["lost"],
        "repeated": busy["repeated"],
        "attackers": attackers,
    }


def _explain(rows: list[dict[str, Any]]) -> None:
    print(f"{'attack':24}{'p99':>9}{'quiet':>9}{'ratio':>7}{'core':>7}{'lost':>6}{'RSS':>9}  attackers")
    for row in rows:
        counts = ", ".join(f"{name} {count:,}" for name, count in row["attackers"].items())
        print(
            f"{row['name']:24}{row['p99_ms']:>6.1f} ms{row['quiet_p99_ms']:>6.1f} ms{row['ratio']:>7.2f}"
            f"{row['core']:>7.3f}{row['lost']:>6}{row['rss_growth_mb']:>+6.1f} MB  {counts}"
        )
