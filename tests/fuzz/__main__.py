"""`./run fuzz [TARGET…] [--runs N | --minutes M] [--seed S]`: a line a target; what breaks goes to the corpus."""

import argparse
import asyncio
import secrets
import sys

from tests.fuzz.corpus import keep
from tests.fuzz.live import LIVE
from tests.fuzz.runner import MAX_GROWTH_BYTES, Found, Outcome, run
from tests.fuzz.targets import TARGETS

_RUNS, _LIVE_RUNS = 1_000_000, 20_000
ALL = (*TARGETS, *LIVE)


def main() -> int:
    """Run the targets one after the other; 1 when something broke."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Feed hostile input to what strangers can reach.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(ALL)}; all when none is named")
    parser.add_argument("--runs", type=int, help="inputs a target (1,000,000; of one that is a whole server 20,000)")
    parser.add_argument("--minutes", type=float, help="time a target, instead of --runs")
    parser.add_argument("--seed", type=int, help="repeat the run that printed this seed")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in ALL]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    seconds = given.minutes * 60 if given.minutes is not None else None
    return max([_run(name, given.seed, given.runs, seconds) for name in given.targets or ALL])


def _run(name: str, seed: int | None, runs: int | None, seconds: float | None) -> int:
    seed = seed if seed is not None else secrets.randbits(32)
    try:
        if name in LIVE:
            outcome = asyncio.run(_run_live(name, seed, runs or _LIVE_RUNS, seconds))
        else:
            outcome = run(TARGETS[name](), seed, runs or _RUNS, seconds)
    except Found as found:
        print(f"{name}: broken, seed {seed}: {found}; kept as {keep(name, found.data)}", file=sys.stderr)
        raise found.__cause__ or found from None
    grew = outcome.grown_bytes > MAX_GROWTH_BYTES
    print(
        f"{name}: {outcome.inputs:,} inputs in {outcome.seconds:.0f} s, seed {seed}, "
        f"memory +{outcome.grown_bytes >> 20} MiB{': grows' if grew else ''}",
        flush=True,
    )
    return int(grew)


async def _run_live(name: str, seed: int, runs: int, seconds: float | None) -> Outcome:
    async with LIVE[name]() as target:
        return await asyncio.to_thread(run, target, seed, runs, seconds)


if __name__ == "__main__":
    sys.exit(main())
