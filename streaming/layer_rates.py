"""What each layer of a simulcast publisher takes, and which of them flow. Pure."""

from __future__ import annotations

_WINDOW_S = 0.5
_WEIGHT = 0.4


class RateMeter:
    """Bits a second out of a growing count of octets, smoothed over about a second and a half."""

    __slots__ = ("_octets", "_since_s", "bitrate_bps")

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._octets = 0
        self.bitrate_bps = 0

    def sample(self, octets: int, now_s: float) -> None:
        """Take the count as it is now; call it more often than twice a second."""
        if self._since_s is None:
            self._since_s, self._octets = now_s, octets
        elapsed_s = now_s - self._since_s
        if elapsed_s < _WINDOW_S:
            return
        measured_bps = 8 * (octets - self._octets) / elapsed_s
        weight = _WEIGHT if self.bitrate_bps else 1.0
        self.bitrate_bps += round(weight * (measured_bps - self.bitrate_bps))
        self._since_s, self._octets = now_s, octets
