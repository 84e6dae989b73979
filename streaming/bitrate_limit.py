"""Sheds what a publisher sends beyond its limit, picture before sound, and says when that begins and ends. Pure.

The publisher was asked to stay within by REMB; who does not listen is cut down here. What is shed is not reported as
received, so that a sender with congestion control sees loss and slows down.
"""

from __future__ import annotations

BURST_S = 1.0
"""How much may come at once: a second's worth, so that keyframes pass."""
TOLERANCE = 1.25
"""What is shed is beyond the limit by so much: who keeps to REMB adds headers and repairs to it."""
_SOUND_SHARE = 0.1
"""The part of the bucket that picture leaves to sound."""
CALM_S = 2.0
"""Nothing shed for so long ends an episode."""


class BitrateLimit:
    """A token bucket over everything one publisher sends; `limit_bps` is what it was asked to keep to."""

    __slots__ = (
        "_bits_per_s",
        "_burst_bits",
        "_filled_s",
        "_shed_s",
        "_tokens",
        "limit_bps",
        "shed_packets",
        "shedding",
    )

    def __init__(self, limit_bps: int) -> None:
        self.limit_bps = limit_bps
        self._bits_per_s = limit_bps * TOLERANCE
        self._burst_bits = self._bits_per_s * BURST_S
        self._tokens = self._burst_bits
        self._filled_s: float | None = None
        self._shed_s = 0.0
        self.shedding = False
        self.shed_packets = 0

    def admits(self, octets: int, now_s: float, *, sound: bool) -> bool:
        """Say whether a packet of so many octets is taken; what is refused costs nothing of the budget."""
        if self._filled_s is None:
            self._filled_s = now_s
        elapsed_s = max(0.0, now_s - self._filled_s)
        self._filled_s = max(now_s, self._filled_s)
        self._tokens = min(self._burst_bits, self._tokens + elapsed_s * self._bits_per_s)
        kept_back = 0.0 if sound else self._burst_bits * _SOUND_SHARE
        if self._tokens - 8 * octets < kept_back:
            self._shed_s = now_s
            self.shedding = True
            self.shed_packets += 1
            return False
        self._tokens -= 8 * octets
        return True

    def calmed(self, now_s: float) -> bool:
        """Say once that an episode of shedding is over."""
        if not self.shedding or now_s - self._shed_s < CALM_S:
            return False
        self.shedding = False
        return True
