"""In which order a run reached its limits: what gave way first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_CORE_FULL: Final = 0.9
_MACHINE_FULL: Final = 0.95
_DELIVERY_MS: Final = 500.0
_IN_A_ROW: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
    """One second of a run: `at_s` from its start, `machine` the busy share of all cores, `cores` by process."""

    at_s: float
    machine: float | None
    cores: Mapping[str, float]
    connections: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit and the second in which it was reached."""

    at_s: float
    what: str


def reached(looks: Sequence[Look], delivery_p99_ms: Mapping[int, float]) -> list[Reached]:
    """Return what was full for three looks in a row, or late for three seconds, in the order of its beginning."""
    found: list[Reached] = []
    machine = [(look.at_s, (look.machine or 0.0) >= _MACHINE_FULL) for look in looks]
    found += _first(machine, "the machine: all its cores busy")
    names = sorted({name for look in looks for name in look.cores})
    for name in names:
        full = [(look.at_s, look.cores.get(name, 0.0) >= _CORE_FULL) for look in looks]
        found += _first(full, f"{name}: a core full")
    late = [(float(second), value > _DELIVERY_MS) for second, value in sorted(delivery_p99_ms.items())]
    found += _first(late, f"delivery: p99 over {_DELIVERY_MS:.0f} ms")
    return sorted(found, key=lambda one: one.at_s)


def _first(seen: Sequence[tuple[float, bool]], what: str) -> list[Reached]:
    """The beginning of the first three in a row."""
    row: list[float] = []
    for at_s, over in seen:
        row = [*row, at_s] if over else []
        if len(row) == _IN_A_ROW:
            return [Reached(row[0], what)]
    return []
