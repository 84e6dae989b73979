"""How much RTCP of one peer is read: a flood of it must not take the loop's time from the others. Pure.

What a compound costs goes by its size (2 KB of NACKs take half a millisecond), so octets are counted. A viewer that
loses every other packet of 3 Mbps stays below a third of the rate; beyond it nothing is read.
"""

from __future__ import annotations

OCTETS_PER_S = 32_000
BURST_OCTETS = 32_000


class FeedbackBudget:
    """A token bucket over the compounds of one peer."""

    __slots__ = ("_filled_s", "_octets")

    def __init__(self) -> None:
        self._octets = float(BURST_OCTETS)
        self._filled_s = 0.0

    def admits(self, octets: int, now_s: float) -> bool:
        """Say whether a compound of so many octets is to be read; what is refused costs nothing of the budget."""
        earned = max(0.0, now_s - self._filled_s) * OCTETS_PER_S
        self._filled_s = max(now_s, self._filled_s)
        self._octets = min(float(BURST_OCTETS), self._octets + earned)
        if self._octets < octets:
            return False
        self._octets -= octets
        return True
