"""`./run soak --minutes M`: an installation of its own with everything on; is it flat, and is every event there? I/O.

A publisher and real WHEP viewers, people in the room who come and go, comments, likes, tips, votes, orders. Each
process's memory, descriptors, tasks and answering time are sampled and judged by their slope after the warm-up; every
viewer's events are settled against what the room acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from load_tests.bench.processes import BenchFailed, LineProcess, started
from load_tests.bench.swarm import TOKEN_VARIABLE
from load_tests.load.cast import Cast, write_cast
from load_tests.load.histogram import Histogram
from load_tests.soak.plot import draw
from load_tests.soak.samples import ANSWER, FILES, LAG, RSS, TASKS, Log, Sampler
from load_tests.soak.verdict import Row, rows, troubles

_READY_S: Final = 300.0
_LINE_S: Final = 180.0
_SETTLE_S: Final = 5.0
_LISTENERS: Final = 10
_COMMENTS_EACH_S: Final = 0.8
_PROGRESS_S: Final = 30.0
_LABELS: Final = {
    RSS: "resident memory, MiB",
    FILES: "open descriptors",
    TASKS: "asyncio tasks",
    LAG: "event loop lag, ms",
    ANSWER: "answer of the admin port, ms",
}


def main() -> int:
    """Run it; 0 when everything is flat and accounted for."""
    given = _arguments()
    found = asyncio.run(run(given))
    if not given.json:
        _explain(found)
    if given.out:
        _write(given.out, found)
    print(json.dumps({name: found[name] for name in found if name not in ("log", "rows")}))
    return 0 if not found["troubles"] else 1


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Start everything, watch it, stop it, and settle."""
    speakers = max(1, round(given.events / _COMMENTS_EACH_S))
    listening = _LISTENERS + speakers
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(
            started(
                "server.bench.deployment", "--viewers", str(listening + given.sockets + given.buyers),
                "--buyers", str(given.buyers), "--workers", given.workers,
            )
        )  # fmt: skip
        place = await deployment.read(_READY_S)
        cast_file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "cast.json"
        cast = msgspec.convert(place["cast"], Cast)
        write_cast(cast_file, cast)
        _say(given, "the installation is ready")

        async def begin(name: str, *arguments: str, **environment: str) -> LineProcess:
            return await stack.enter_async_context(started(name, *arguments, environment=environment))

        air = await begin("load_tests.load.air", str(cast_file))
        await air.read(_READY_S)
        audience = await begin(
            "load_tests.soak.audience", str(cast_file), "--first", str(listening), "--count", str(given.sockets),
            "--cuts-per-s", str(given.cuts),
        )  # fmt: skip
        probe = await begin(
            "load_tests.load.probe", str(cast_file), "--speakers", str(speakers), "--listeners", str(_LISTENERS)
        )
        life = await begin(
            "load_tests.soak.life", str(cast_file), "--buyers", str(given.buyers), "--run", secrets.token_hex(3)
        )
        media = await begin(
            "load_tests.bench.swarm",
            f"{cast.http}/whep/{cast.broadcast_id}",
            **{TOKEN_VARIABLE: cast.viewer(0).token},
        )
        for process in (audience, probe):
            await process.ask(_READY_S, do="join")
        await media.ask(_READY_S, do="join", viewers=given.viewers)
        _say(given, f"{given.sockets + listening + given.buyers} in the room, {given.viewers} watch")
        sampler = Sampler(deployment.pid, place["admin"])
        watched = await _live(given, sampler, audience, probe, life, media)
        return await _settle(given, sampler, watched, deployment, audience, probe, life, air)


async def _live(
    given: argparse.Namespace, sampler: Sampler, audience: LineProcess, probe: LineProcess,
    life: LineProcess, media: LineProcess,
) -> dict[str, Any]:  # fmt: skip
    """Let it go on for its time; returns what the media viewers counted."""
    seconds = given.minutes * 60
    names = ("received", "octets", "missing", "late", "undecryptable", "silent", "viewers", "dropped_here")
    counted: dict[str, Any] = dict.fromkeys(names, 0)
    for process in (audience, life):
        await process.ask(do="start")
    await media.ask(do="reset")
    await probe.ask(do="start", per_s=given.events, for_s=seconds)
    began_s = said_s = time.monotonic()
    async with aiohttp.ClientSession() as session:
        while (now_s := time.monotonic()) - began_s < seconds:
            await sampler.look(session)
            if now_s - said_s >= _PROGRESS_S:
                said_s = now_s
                await _count(media, counted)
                _say(given, await _progress(now_s - began_s, audience, probe, counted, sampler.log))
            await asyncio.sleep(max(0.0, given.every - (time.monotonic() - now_s)))
    await asyncio.sleep(_SETTLE_S)
    await _count(media, counted)
    counted["packets_per_s"] = round(counted["received"] / seconds)
    counted["mbps_per_viewer"] = round(counted["octets"] * 8e-6 / seconds / max(1, counted["viewers"]), 3)
    return counted


async def _count(media: LineProcess, counted: dict[str, Any]) -> None:
    """Add what the swarm counted since the last time, and let it forget its samples."""
    totals = await media.ask(_LINE_S, do="totals")
    await media.ask(_LINE_S, do="reset")
    for name in ("received", "octets", "missing", "late", "undecryptable"):
        counted[name] += totals[name]
    counted["dropped_here"] = totals["dropped_here"]
    counted["silent"] = max(counted["silent"], totals["silent"])
    counted["viewers"] = totals["viewers"]
    counted["first_frame_p95_ms"] = totals["first_frame_p95_ms"]


async def _progress(
    elapsed_s: float, audience: LineProcess, probe: LineProcess, counted: dict[str, Any], log: Log
) -> str:
    room, talk = await audience.ask(_LINE_S, do="now"), await probe.ask(_LINE_S, do="now")
    memory = sum(values[RSS][-1] for values in log.values.values() if values[RSS])
    delay = f"{talk['delivery_p99_ms']:.0f} ms" if talk["delivery_p99_ms"] is not None else "–"
    return (
        f"{elapsed_s / 60:5.1f} min: {room['connected']} in the room ({room['cuts']} cuts), {talk['sent']:,} comments, "
        f"p99 {delay}; {counted['received']:,} packets, {counted['missing']} lost "
        f"({counted['dropped_here']} dropped at the viewers' own sockets); {memory:.0f} MiB"
    )


async def _settle(
    given: argparse.Namespace, sampler: Sampler, media: dict[str, Any], deployment: LineProcess,
    audience: LineProcess, probe: LineProcess, life: LineProcess, air: LineProcess,
) -> dict[str, Any]:  # fmt: skip
    """Stop in an order in which nothing is under way any more, then add up."""
    lived = await life.ask(_LINE_S, do="stop")
    await audience.ask(_LINE_S, do="stop")
    await asyncio.sleep(_SETTLE_S)
    talked = await probe.ask(_LINE_S, do="totals")
    sent = {"comments": talked["passed"], "tips": lived["tips"], "cards": lived["cards"]}
    room = await audience.ask(_LINE_S, do="reckon", sent=sent)
    answers = {verdict: count for verdict, count in talked["verdicts"].items() if verdict != "not_connected"}
    room["unanswered"] = talked["sent"] - sum(answers.values())
    room["restarts"] = sampler.restarts
    room["late_answers"] = sampler.late_answers
    told = lived.pop("orders")
    lived |= {"orders": len(told)} | await deployment.ask(_LINE_S, do="orders", told=told)
    delivery = Histogram()
    delivery.merge(talked["delivery"])
    warm_up_s = given.warm_up * 60
    judged = rows(sampler.log, warm_up_s)
    return {
        "minutes": given.minutes,
        "room": room | {"sent_by_class": sent, "verdicts": talked["verdicts"]},
        "delivery_ms": {share: delivery.percentile(float(share)) for share in ("0.5", "0.99", "0.999")},
        "media": media,
        "life": lived,
        "on_air": (await air.ask(_LINE_S, do="look"))["on_air"],
        "growth_per_hour": {f"{row.process} {row.measure}": _brief(row) for row in judged},
        "unclear": [f"{row.process} {row.measure}" for row in judged if row.steady == "unclear"],
        "troubles": troubles(judged, room, lived, media),
        "warm_up_s": warm_up_s,
        "rows": judged,
        "log": sampler.log,
    }


def _brief(row: Row) -> dict[str, Any]:
    return {
        "mean": round(row.trend.mean, 2), "slope": round(row.trend.per_hour, 2), "bound": round(row.trend.bound, 2),
        "verdict": row.steady,
    }  # fmt: skip


def _explain(found: dict[str, Any]) -> None:
    print(table(found["rows"]))
    room = found["room"]
    print(
        f"\n{room['viewers']} viewers: {room['sent']:,} events sent = {room['told']:,} told + {room['sampled_out']:,} "
        f"sampled out + {room['shed']:,} shed; {room['recovered']:,} returns recovered, {room['cuts']:,} cuts"
    )
    media = found["media"]
    print(
        f"{media['viewers']} WHEP viewers: {media['received']:,} packets ({media['packets_per_s']:,}/s, "
        f"{media['mbps_per_viewer']} Mbps a viewer), {media['missing']} missed, of which {media['dropped_here']} were "
        f"dropped at the viewers' own sockets; {media['late']} late, {media['undecryptable']} undecryptable"
    )
    if room["late_answers"]:
        print(
            f"{room['late_answers']} times an admin port did not answer in time: the machine was too full to say much"
        )
    for trouble in found["troubles"] or ["nothing grows, and every event is accounted for"]:
        print(f"- {trouble}")
    if found["unclear"]:
        print(f"- too noisy or too short to say: {', '.join(found['unclear'])}")


def table(judged: list[Row]) -> str:
    """The growth of every figure, as a table in Markdown."""
    lines = ["| process | figure | mean | an hour | verdict |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.process} | {_LABELS[row.measure]} | {row.trend.mean:.1f} | "
        f"{row.trend.per_hour:+.1f} ± {row.trend.bound:.1f} | {row.steady} |"
        for row in judged
    ]
    return "\n".join(lines)


def _write(folder: Path, found: dict[str, Any]) -> None:
    """Write the picture, the table and the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    log: Log = found["log"]
    panels = {
        label: {
            name: (log.times_s[name][-len(values[measure]) :], values[measure])
            for name, values in log.values.items()
            if values.get(measure)
        }
        for measure, label in _LABELS.items()
    }
    title = f"A soak of {found['minutes']:g} minutes (grey: warm-up)"
    (folder / "soak.svg").write_text(draw(title, panels, found["warm_up_s"]))
    (folder / "soak-table.md").write_text(table(found["rows"]) + "\n")
    kept = {name: found[name] for name in found if name not in ("log", "rows")}
    (folder / "soak.json").write_text(json.dumps(kept, indent=1) + "\n")


def _say(given: argparse.Namespace, line: str) -> None:
    if not given.json:
        print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=5.0, help="minutes that are not judged")
    parser.add_argument("--viewers", type=int, default=200, help="WHEP viewers")
    parser.add_argument("--sockets", type=int, default=1_000, help="people in the room who come and go")
    parser.add_argument("--events", type=float, default=50.0, help="comments a second")
    parser.add_argument("--buyers", type=int, default=10, help="people who buy, tip and vote")
    parser.add_argument("--cuts", type=float, default=2.0, help="connections cut a second, all together")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--workers", default="auto", help="as of `serve`")
    parser.add_argument("--out", type=Path, help="folder for soak.svg, soak-table.md and soak.json")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchFailed as failed:
        sys.exit(f"soak: {failed}")
