"""How many joins a second this process takes on, and when those it refuses should come back. Pure.

A join costs about as much as two hundred packets; without a budget a storm of them starves the viewers who are
already there. Refused clients are spread over the seconds that follow, so that they come back as a queue.
"""

from __future__ import annotations

MAX_RETRY_AFTER_S = 15


class JoinBudget:
    """A token bucket of `per_s` joins a second and as many at once as half a second earns."""

    __slots__ = ("_per_s", "_tokens", "_updated_s", "_waiting")

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._tokens = self._room
        self._updated_s = 0.0
        self._waiting = 0.0

    @property
    def _room(self) -> float:
        return max(1.0, self._per_s / 2)

    def take(self, now_s: float) -> int | None:
        """Admit one join (None), or say in how many whole seconds to try again."""
        earned = max(0.0, now_s - self._updated_s) * self._per_s
        self._updated_s = max(now_s, self._updated_s)
        self._tokens = min(self._room, self._tokens + earned)
        self._waiting = max(0.0, self._waiting - earned)
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        self._waiting += 1
        return min(MAX_RETRY_AFTER_S, 1 + int(self._waiting / self._per_s))
