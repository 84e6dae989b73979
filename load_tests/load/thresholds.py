"""What a run's figures have to keep to: `delivery_p99_ms<=500`. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_COMPARES: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}
_WRITTEN: Final = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?)\s*")


class BadThreshold(ValueError):
    """The text is no threshold; the message says how one is written."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One figure and its limit; a `wanted` one was asked for by name, so its figure has to be there."""

    figure: str
    compare: str
    limit: float
    wanted: bool = False

    def __str__(self) -> str:
        return f"{self.figure} {self.compare} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A threshold against what was measured; `ok` is None where nothing was and nobody insisted."""

    threshold: Threshold
    value: float | None
    ok: bool | None


def parse(text: str) -> Threshold:
    """Read `figure<=limit`; raises BadThreshold."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise BadThreshold(f"{text!r} is no threshold: write FIGURE<=NUMBER, with <=, >=, <, > or ==")
    return Threshold(found[1], found[2], float(found[3]), wanted=True)


def over(defaults: Sequence[Threshold], asked: Sequence[Threshold]) -> list[Threshold]:
    """Take those asked for in the place of defaults for the same figure, and in addition to the others."""
    named = {threshold.figure for threshold in asked}
    return [threshold for threshold in defaults if threshold.figure not in named] + list(asked)


def judge(thresholds: Sequence[Threshold], figures: Mapping[str, Any]) -> list[Judged]:
    """Hold each against its figure."""
    judged = []
    for threshold in thresholds:
        value = figures.get(threshold.figure)
        if value is None:
            judged.append(Judged(threshold, None, False if threshold.wanted else None))
        else:
            judged.append(Judged(threshold, value, _COMPARES[threshold.compare](value, threshold.limit)))
    return judged


def passed(judged: Sequence[Judged]) -> bool:
    """Say whether none failed."""
    return all(one.ok is not False for one in judged)
