"""Whether a figure stays where it is: a line through its samples with the error of its slope. Pure.

Samples lie close together and hang on each other, so they are first averaged in blocks; the bound is that of a least
squares slope over the blocks at 95 % (Student's t), and so neither hides a leak nor finds one in noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Steady = Literal["flat", "grows", "unclear"]

BLOCKS: Final = 12
_LEAST_BLOCKS: Final = 4
_HOUR_S: Final = 3_600.0
# Student's t for a two-sided 95 %, by degrees of freedom from 2 on.
_T95: Final = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure after the warm-up: its mean, and how it changes in an hour, give or take `bound`."""

    mean: float
    per_hour: float
    bound: float

    def judged(self, allowed_per_hour: float) -> Steady:
        """Say whether the growth is surely within what is allowed, surely beyond it, or not known."""
        if self.per_hour + self.bound <= allowed_per_hour:
            return "flat"
        return "grows" if self.per_hour - self.bound > allowed_per_hour else "unclear"


def trend(times_s: Sequence[float], values: Sequence[float], warm_up_s: float) -> Trend | None:
    """Return how the values change from `warm_up_s` after the first on; None for fewer samples than blocks."""
    start = times_s[0] + warm_up_s if times_s else 0.0
    kept = [(at, value) for at, value in zip(times_s, values, strict=True) if at >= start]
    blocks = min(BLOCKS, len(kept) // 2)
    if blocks < _LEAST_BLOCKS:
        return None
    edges = [len(kept) * number // blocks for number in range(blocks + 1)]
    parts = [kept[first:last] for first, last in itertools.pairwise(edges)]
    xs = [_mean([at for at, _ in part]) / _HOUR_S for part in parts]
    ys = [_mean([value for _, value in part]) for part in parts]
    slope, error = _line(xs, ys)
    return Trend(_mean(ys), slope, error * _T95[blocks - _LEAST_BLOCKS])


def _line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Least squares: the slope and its standard error."""
    x0, y0 = _mean(xs), _mean(ys)
    spread = sum((x - x0) ** 2 for x in xs)
    slope = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - y0 - slope * (x - x0)) ** 2 for x, y in zip(xs, ys, strict=True))
    return slope, math.sqrt(rest / (len(xs) - 2) / spread)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
