"""`./run load SHAPE`: one load run against a deployment, or against one that it starts. I/O: the command line.

Exit status: 0 all thresholds held, 1 one was missed, 2 asked wrongly, 3 the run could not be made.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from load_tests.bench.processes import BenchFailed
from load_tests.http_client import ApiError, Unreachable
from load_tests.load.cast import CastError
from load_tests.load.conductor import Conductor, Outcome, RunFailed
from load_tests.load.crowd import more_files
from load_tests.load.limits import reached
from load_tests.load.place import given_installation, own_installation
from load_tests.load.plan import SHAPES, WHAT, Plan, default_thresholds, strikes_at_s
from load_tests.load.report import Report, write
from load_tests.load.summary import summarise
from load_tests.load.thresholds import BadThreshold, Judged, judge, over, parse, passed

CAST_VARIABLE: Final = "WEALTHCAST_LOAD_CAST"
_SUMMARY: Final = (
    "connects_per_s", "handshake_p99_ms", "delivery_p50_ms", "delivery_p99_ms", "delivery_p999_ms", "expected",
    "received",
    "missed_undeclared", "repeated", "reordered", "slow_closes", "recovered", "snapshots", "all_back_s", "orders",
    "order_p50_ms", "order_p99_ms", "oversold_minor", "orders_lost", "orders_doubled", "audit_findings",
    "media_packets", "media_lost", "first_picture_p95_ms", "media_jitter_p95_ms", "cpu_us_per_delivery",
    "rss_per_connection_bytes", "kernel_per_connection_bytes", "redis_lag_p99_ms",
)  # fmt: skip


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    shapes = "\n".join(f"  {name:<11}{what}" for name, what in WHAT.items())
    parser = argparse.ArgumentParser(
        prog="./run load", description=f"Load a deployment, or one that is started for it.\n\nshapes:\n{shapes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("shape", choices=SHAPES, metavar="SHAPE")
    parser.add_argument("--host", help="HTTP address of a deployment; needs --cast. Without: one is started here")
    parser.add_argument(
        "--cast", type=Path, default=os.environ.get(CAST_VARIABLE),
        help=f"file with the people, or ${CAST_VARIABLE} (load_tests/load/cast.py says what stands in it)",
    )  # fmt: skip
    parser.add_argument("--admin", default="", help="admin address of the deployment, for CPU, memory and counters")
    parser.add_argument("--users", type=int, metavar="N", help="people in all, shared out as the shape does")
    parser.add_argument("--minutes", type=float, metavar="M")
    for name, what in (
        ("viewers", "viewers of Locust"), ("chatters", "chatters of Locust"), ("buyers", "buyers of Locust"),
        ("crowd", "lean sockets that listen"), ("media", "WHEP viewers"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, metavar="N", help=what)
    parser.add_argument("--events", type=float, metavar="N", help="comments of the probe a second")
    parser.add_argument("--threshold", action="append", default=[], metavar="FIGURE<=NUMBER", help="may be repeated")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the report (default: load-SHAPE)")
    parser.add_argument("--workers", default="auto", help="of an installation started here, as of `serve`")
    parser.add_argument("--shown", type=int, default=15, help="COMMENTS_SHOWN_PER_S of one started here; 0: all")
    return parser


def planned(given: argparse.Namespace) -> Plan:
    """The shape with what the command line says about it."""
    plan = SHAPES[given.shape]
    if given.users is not None:
        plan = plan.scaled(given.users)
    asked = {
        "minutes": given.minutes, "viewers": given.viewers, "chatters": given.chatters, "buyers": given.buyers,
        "crowd": given.crowd, "media": given.media, "events_per_s": given.events,
    }  # fmt: skip
    return replace(plan, **{name: value for name, value in asked.items() if value is not None})


def main(words: Sequence[str] | None = None) -> int:
    """Make the run and say how it went."""
    parser = arguments()
    given = parser.parse_args(words)
    try:
        thresholds = [parse(text) for text in given.threshold]
    except BadThreshold as error:
        parser.error(str(error))
    if given.host and not given.cast:
        parser.error(f"--host needs people: --cast FILE or ${CAST_VARIABLE}")
    plan = planned(given)
    if (given.users is not None and given.users < 1) or plan.minutes <= 0 or plan.events_per_s <= 0:
        parser.error("--users, --minutes and --events are more than 0")
    folder = given.out or Path(f"load-{plan.shape}")
    folder.mkdir(parents=True, exist_ok=True)
    more_files()
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    try:
        outcome = asyncio.run(_run(given, plan, folder))
    except (BenchFailed, RunFailed, CastError, ApiError, Unreachable) as error:
        _progress("")
        print(f"load: {error}", file=sys.stderr)
        return 3
    figures = summarise(outcome.measured)
    judged = judge(over(default_thresholds(plan), thresholds), figures)
    late = {second: values[1] for second, values in outcome.delivery.items()}
    during = [look for look in outcome.looks if 0 <= look.at_s <= outcome.seconds]
    report = Report(
        plan, at, given.cast is None, figures, judged, outcome.saturated, reached(during, late), during, outcome.cores,
        outcome.delivery, strikes_at_s(plan),
    )  # fmt: skip
    page = write(report, folder)
    _say_outcome(report, outcome, judged)
    print(f"report: {page}")
    return 0 if passed(judged) else 1


async def _run(given: argparse.Namespace, plan: Plan, folder: Path) -> Outcome:
    async with AsyncExitStack() as stack:
        if given.cast:
            place = await given_installation(given.cast, given.host, given.admin.rstrip("/"), _progress)
        else:
            place = await stack.enter_async_context(own_installation(plan, given.workers, given.shown, _progress))
        return await Conductor(plan, place, folder, _progress).run()


def _progress(line: str) -> None:
    """One line that is written over on a terminal, and one a call in a log."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


def _say_outcome(report: Report, outcome: Outcome, judged: Sequence[Judged]) -> None:
    _progress("")
    for name in _SUMMARY:
        if name in report.figures:
            value = report.figures[name]
            print(f"  {name:<28}{value:,.2f}" if isinstance(value, float) else f"  {name:<28}{value}")
    for limit in report.limits:
        print(f"  reached after {limit.at_s:.0f} s: {limit.what}")
    for why in outcome.saturated:
        print(f"  generator saturated: {why}")
    for one in judged:
        if one.ok is False:
            print(f"  MISSED: {one.threshold} (measured: {'nothing' if one.value is None else f'{one.value:,.2f}'})")


if __name__ == "__main__":
    sys.exit(main())
