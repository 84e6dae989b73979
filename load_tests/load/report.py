"""Writes a run down: HTML with charts for people, CSV and JSON for programs. I/O: the report's files, its style."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from load_tests.load.chart import bars, lines
from load_tests.load.limits import Look, Reached
from load_tests.load.plan import WHAT, Plan
from load_tests.load.thresholds import Judged, passed

_STYLE_FILE: Final = Path(__file__).with_name("report.css")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report shows."""

    plan: Plan
    at: str
    """When the run began, in UTC."""
    own: bool
    """Whether the installation was started for the run, beside the generator."""
    figures: Mapping[str, Any]
    judged: Sequence[Judged]
    saturated: Sequence[str]
    limits: Sequence[Reached]
    looks: Sequence[Look]
    cores: Mapping[str, float]
    delivery: Mapping[int, Sequence[float]]
    strikes_at_s: float | None


def write(report: Report, folder: Path) -> Path:
    """Write report.html, figures.json, figures.csv and seconds.csv; returns the first."""
    (folder / "figures.json").write_text(as_json(report))
    (folder / "figures.csv").write_text(figures_csv(report))
    (folder / "seconds.csv").write_text(seconds_csv(report))
    page = folder / "report.html"
    page.write_text(html(report))
    return page


def as_json(report: Report) -> str:
    """One object: the plan, all figures, thresholds with their outcome, and whether the generator was saturated."""
    whole = {
        "shape": report.plan.shape,
        "plan": asdict(report.plan),
        "at": report.at,
        "ok": passed(report.judged),
        "figures": dict(report.figures),
        "thresholds": [
            {"threshold": str(one.threshold), "value": one.value, "ok": one.ok} for one in report.judged
        ],
        "saturated": list(report.saturated),
        "limits_reached": [asdict(one) for one in report.limits],
        "cores": dict(report.cores),
    }  # fmt: skip
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def figures_csv(report: Report) -> str:
    """Two columns: figure, value; what has parts is `figure.part`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["figure", "value"])
    rows.writerows(flat(report.figures))
    return text.getvalue()


def flat(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Figures without nesting."""
    found: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{part}", inner) for part, inner in value.items()]
        else:
            found.append((name, value))
    return found


def seconds_csv(report: Report) -> str:
    """One row a look: time, busy share of the machine, connections, and cores by process."""
    names = sorted({name for look in report.looks for name in look.cores})
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["at_s", "machine_busy", "connections", *names])
    for look in report.looks:
        machine = None if look.machine is None else round(look.machine, 3)
        rows.writerow([look.at_s, machine, look.connections, *(look.cores.get(name) for name in names)])
    return text.getvalue()


def html(report: Report) -> str:
    """The whole page, with nothing that has to be fetched."""
    plan, ok = report.plan, passed(report.judged)
    where = "an installation started for it, beside the generator" if report.own else "a deployment of its own"
    marks = [(report.strikes_at_s, "cut" if plan.shape == "storm" else "orders")] if report.strikes_at_s else []
    failed = [str(one.threshold) for one in report.judged if one.ok is False]
    verdict = "All thresholds held" if ok else f"Missed: {', '.join(failed)}"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>Load: {plan.shape}</title><style>{_STYLE_FILE.read_text()}</style>",
        f"<h1>Load: {plan.shape}</h1>",
        f"<p class=sub>{escape(WHAT[plan.shape].capitalize())}. {plan.minutes:g} minutes against {where}, "
        f"{escape(report.at)}.<br>{_people(plan)}</p>",
        f'<div class="verdict {"pass" if ok else "fail"}">{escape(verdict)}</div>',
        *(f'<div class="verdict warn">Generator saturated: {escape(why)}</div>' for why in report.saturated),
        "<h2>Delivery, from the time a comment was to be sent</h2>",
        lines(_delivery(report), "ms", marks),
        "<h2>CPU, cores by process</h2>",
        lines(_cores(report), "cores", marks),
        "<h2>Machine and connections</h2>",
        lines({"busy share": [(look.at_s, look.machine or 0) for look in report.looks if look.at_s >= 0]}, "", marks),
        lines({"connections": [(look.at_s, look.connections) for look in report.looks if look.at_s >= 0]}, "", marks),
        "<h2>Orders by result</h2>",
        bars(report.figures.get("orders", {}), "orders"),
        "<h2>Limits, in the order in which they were reached</h2>",
        _limits(report.limits),
        "<h2>Thresholds</h2>",
        _thresholds(report.judged),
        "<h2>All figures</h2>",
        _figures(report.figures),
        "</html>",
    ]
    return "\n".join(parts)


def _people(plan: Plan) -> str:
    parts = (
        (plan.crowd, "listening sockets"), (plan.viewers, "viewers"), (plan.chatters, "chatters"),
        (plan.buyers, "buyers"), (plan.media, "WHEP viewers"), (round(plan.events_per_s), "probe comments a second"),
    )  # fmt: skip
    return " · ".join(f"{number:,} {what}" for number, what in parts if number)


def _delivery(report: Report) -> dict[str, list[tuple[float, float]]]:
    seconds = sorted(report.delivery.items())
    return {
        name: [(float(second), values[index]) for second, values in seconds] for index, name in ((0, "p50"), (1, "p99"))
    }


def _cores(report: Report) -> dict[str, list[tuple[float, float]]]:
    names = sorted(report.cores, key=lambda name: -report.cores[name])[:9]
    return {name: [(look.at_s, look.cores.get(name, 0.0)) for look in report.looks if look.at_s >= 0] for name in names}


def _limits(limits: Sequence[Reached]) -> str:
    if not limits:
        return '<p class="none">None was reached.</p>'
    rows = "".join(f"<tr><td class=n>{one.at_s:.0f} s</td><td>{escape(one.what)}</td></tr>" for one in limits)
    return f"<table>{rows}</table>"


def _thresholds(judged: Sequence[Judged]) -> str:
    rows = []
    for one in judged:
        kind, word = {True: ("", "held"), False: ("no", "missed"), None: ("nm", "not measured")}[one.ok]
        value = "–" if one.value is None else _number(one.value)
        rows.append(
            f'<tr class="{kind}"><td>{escape(str(one.threshold))}</td><td class=n>{value}</td><td>{word}</td></tr>'
        )
    return f"<table><tr><th>wanted</th><th>measured</th><th></th></tr>{''.join(rows)}</table>"


def _figures(figures: Mapping[str, Any]) -> str:
    rows = [f"<tr><td>{escape(name)}</td><td class=n>{_number(value)}</td></tr>" for name, value in flat(figures)]
    return f"<table>{''.join(rows)}</table>"


def _number(value: Any) -> str:
    return (
        f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else escape(str(value))
    )
