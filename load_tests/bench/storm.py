"""`./run bench storm`: every viewer of a room is cut at once and returns; what must be told is told once. I/O.

Cards are shown and pulled at a steady pace before, during and after the cut; each returns after the delay that its
welcome asked for, says what it had reached, and is told what it missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, Final

import uvloop

from load_tests.bench.room_crowd import JOIN_S, start_publisher, start_server, start_swarms

KEYS: Final = ("viewers", "all_back_s", "missed_must", "repeated")
_CARDS_PER_S: Final = 5.0
_FOR_S: Final = 20.0
_BEFORE_S: Final = 2.0


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when nobody missed or was repeated a must."""
    parser = argparse.ArgumentParser(prog="./run bench storm", description=__doc__)
    parser.add_argument("--viewers", type=int, default=5_000)
    parser.add_argument("--swarms", type=int, default=1, help="processes that the viewers are spread over")
    parser.add_argument("--pin", type=int, default=None, metavar="CORE", help="hold the gateway on one core")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    found = uvloop.run(run(given))
    if not given.json:
        print(
            f"{found['recovered']} of {found['viewers']} returned without a snapshot, {found['refused']} tries failed; "
            f"the gateway used {found['cpu_s']:.1f} s of CPU, {found['ms_per_return']:.2f} ms a return"
        )
    print(json.dumps({key: found[key] for key in KEYS}))
    return 0 if found["missed_must"] == found["repeated"] == 0 else 1


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Bring everyone in, cut them, and count."""
    async with AsyncExitStack() as stack:
        server = await start_server(stack, core=given.pin)
        swarms = await start_swarms(stack, server, given.viewers, given.swarms)
        publisher = await start_publisher(stack, server)
        airing = asyncio.create_task(publisher.ask(JOIN_S, do="cards", per_s=_CARDS_PER_S, for_s=_FOR_S))
        await asyncio.sleep(_BEFORE_S)
        before = await server.figures()
        storms = await asyncio.gather(*(swarm.ask(JOIN_S, do="storm") for swarm in swarms))
        after = await server.figures()
        sent = (await airing)["sent"]
        await asyncio.sleep(2)
        totals = [await swarm.ask(JOIN_S, do="totals") for swarm in swarms]
    cards = [pair for one in totals for pair in one["cards"]]
    cpu_s = after["cpu_s"] - before["cpu_s"]
    return {
        "viewers": given.viewers,
        "all_back_s": round(max(storm["all_back_s"] for storm in storms), 2),
        "missed_must": sum(sent - distinct for _, distinct in cards),
        "repeated": sum(told - distinct for told, distinct in cards),
        "recovered": sum(one["recovered"] for one in totals),
        "refused": sum(storm["refused"] for storm in storms),
        "cpu_s": cpu_s,
        "ms_per_return": cpu_s * 1e3 / given.viewers,
    }
