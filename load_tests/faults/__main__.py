"""`./run faults`: breaks an installation of its own, one fault after the other, and prints a verdict on each. I/O."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import uvloop

from load_tests.faults.catalogue import FAULTS, OPTIONS, Fault, Needs
from load_tests.faults.record import put
from load_tests.faults.scene import CannotTry, Load, staged
from load_tests.faults.trial import Say, tried
from load_tests.faults.verdict import Verdict, row, table

_ALL_IN_S: Final = 180.0


def main(arguments: Sequence[str]) -> int:
    """Try the faults that are named, or all; 1 when one is not ok."""
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; none: all")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--events", type=float, default=50, help="comments a second")
    parser.add_argument("--buyers", type=float, default=20, help="purchases a second")
    parser.add_argument("--viewers", type=int, default=20, help="WHEP viewers")
    parser.add_argument("--after", type=float, default=60, help="seconds of load between recovery and the last look")
    parser.add_argument(
        "--warm", type=float, default=180, help="seconds of load before the first fault, until memory stands still"
    )
    parser.add_argument("--away", type=float, default=20, help="seconds that what is stopped or cut stays away")
    parser.add_argument("--record", type=Path, metavar="FILE", help="put the verdicts into this JSON file as well")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(names):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    chosen = [fault for fault in FAULTS if fault.name in given.names or not given.names]
    load = Load(given.sockets, given.events, given.buyers, given.viewers, given.away)
    verdicts = uvloop.run(_try_all(chosen, load, given))
    if given.record is not None:
        put(given.record, verdicts, asdict(load) | {"after_s": given.after})
    if not given.json:
        print(table(verdicts))
    print(json.dumps({"faults": [verdict.published() for verdict in verdicts]}))
    return 0 if all(verdict.ok for verdict in verdicts) else 1


async def _try_all(chosen: list[Fault], load: Load, given: argparse.Namespace) -> list[Verdict]:
    """Faults that need the same kind of installation share one."""
    began_s = time.monotonic()

    def say(line: str) -> None:
        if not given.json:
            print(f"{time.monotonic() - began_s:6.0f} s  {line}", file=sys.stderr, flush=True)

    verdicts: dict[str, Verdict] = {}
    by_needs = sorted(chosen, key=lambda fault: fault.needs)
    for needs, faults in itertools.groupby(by_needs, lambda fault: fault.needs):
        for verdict in await _try_in_one(needs, list(faults), load, given, say):
            verdicts[verdict.name] = verdict
    return [verdicts[fault.name] for fault in chosen]


async def _try_in_one(
    needs: Needs, faults: list[Fault], load: Load, given: argparse.Namespace, say: Say
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    say(f"starting an installation for {', '.join(fault.name for fault in faults)}")
    try:
        async with staged(load, *OPTIONS[needs]) as scene:
            since_s = asyncio.get_running_loop().time()
            if await scene.until_well(since_s, _ALL_IN_S) is None:
                raise CannotTry(f"the load did not come up: {scene.unwell(since_s)} {dict(scene.stand.said)}")
            say(f"everybody is in; warming up for {given.warm:g} s at most")
            say(f"memory stood still after {await scene.until_settled(given.warm):.0f} s")
            for fault in faults:
                verdicts.append(await tried(fault, scene, load, given.after, say))
                last = verdicts[-1]
                say(row(last))
                say(f"{fault.name}: {'ok' if last.ok else 'NOT OK: ' + '; '.join(last.reasons)}")
    except* CannotTry as group:
        why = str(group.exceptions[0])
        verdicts += [Verdict(fault.name, untried=why) for fault in faults[len(verdicts) :]]
        say(f"cannot be tried: {why}")
    return verdicts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
