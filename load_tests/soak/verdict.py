"""Judges a soak: is every figure of every process flat, and is every event and packet accounted for? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from load_tests.soak.samples import ANSWER, FILES, LAG, MEASURES, RSS, TASKS, Log
from load_tests.soak.steadiness import Steady, Trend, trend

ALLOWED_PER_HOUR: Final = {RSS: 20.0, FILES: 20.0, TASKS: 20.0, LAG: 20.0, ANSWER: 100.0}
"""How much a process may grow in an hour and still be called flat: MiB, descriptors, tasks, milliseconds."""


FILLS_FOR_S: Final = {"valkey": 1_000.0}
"""What fills for longer than a warm-up: the broker keeps the name of each published event for a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one process."""

    process: str
    measure: str
    trend: Trend
    steady: Steady


def rows(log: Log, warm_up_s: float) -> list[Row]:
    """Judge every figure that has samples enough."""
    found = []
    for process, values in sorted(log.values.items()):
        skipped_s = max(warm_up_s, FILLS_FOR_S.get(process, 0.0))
        for measure in MEASURES:
            series = values.get(measure, [])
            times = log.times_s[process][-len(series) :] if series else []
            if (line := trend(times, series, skipped_s)) is not None:
                found.append(Row(process, measure, line, line.judged(ALLOWED_PER_HOUR[measure])))
    return found


def troubles(judged: list[Row], room: dict[str, Any], life: dict[str, Any], media: dict[str, Any]) -> list[str]:
    """Name everything that is not as promised, nothing when all is well; what is unclear is not held against it."""
    named = [f"{row.process} {row.measure} grows" for row in judged if row.steady == "grows"]
    named += [] if judged else ["too short to judge growth"]
    wanted = {
        "viewers whose events do not add up": room["unaccounted"],
        "events repeated": room["repeated"],
        "events out of order": room["reordered"],
        "returns given a snapshot": room["snapshots"],
        "viewers not there at the end": room["absent"],
        "comments without an answer": room["unanswered"],
        "likes miscounted": abs(room["likes_said"] - room["likes_told"]),
        # More may be counted: the answer to a vote can be lost with its connection.
        "votes acknowledged and not counted": max(0, life["votes"] - life["votes_counted"]),
        # What a starved generator did not read in time was sent, and is no loss of the relay's.
        "media packets lost by the relay": max(0, media["missing"] - media["dropped_here"]),
        "media viewers without a packet": media["silent"],
        "processes restarted": room["restarts"],
        "orders lost": life["orders_lost"],
        "money oversold": life["oversold_minor"],
        "findings of the audit": life["audit_findings"],
    }
    return named + [f"{what}: {count}" for what, count in wanted.items() if count]
