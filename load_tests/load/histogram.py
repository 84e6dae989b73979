"""A histogram of times with 2 % wide buckets: bounded memory, exact counts, and it merges across processes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

_STEP: Final = math.log(1.02)
_LEAST_MS: Final = 0.01


class Histogram:
    """Times in milliseconds; `percentile` is right within 2 %."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.most_ms = 0.0

    def add(self, ms: float) -> None:
        """Note one time; what is below 0.01 ms counts as that."""
        bucket = math.ceil(math.log(max(ms, _LEAST_MS)) / _STEP)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.most_ms = max(self.most_ms, ms)

    def percentile(self, share: float) -> float | None:
        """Return the time within which this share (0 to 1) fell; None while nothing was noted."""
        if self.count == 0:
            return None
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(math.exp(bucket * _STEP), self.most_ms)
        raise AssertionError("counts do not add up")

    def merge(self, packed: Mapping[str, float]) -> None:
        """Add what another process packed."""
        for bucket, count in packed.items():
            if bucket != "most_ms":
                self._buckets[int(bucket)] = self._buckets.get(int(bucket), 0) + int(count)
                self.count += int(count)
        self.most_ms = max(self.most_ms, packed.get("most_ms", 0.0))

    def packed(self) -> dict[str, float]:
        """As a JSON object for `merge`."""
        return {str(bucket): count for bucket, count in self._buckets.items()} | {"most_ms": self.most_ms}


def merged(packed: Iterable[Mapping[str, float]]) -> Histogram:
    """One histogram of what several processes packed."""
    whole = Histogram()
    for part in packed:
        whole.merge(part)
    return whole
