"""How long to wait before trying again. Pure: no clock and no randomness."""

from dataclasses import dataclass, field
from typing import Final

_GROWTH: Final = 1.7


@dataclass
class Backoff:
    """Delays that grow from `first_s` to at most `most_s`, until `reset()`."""

    first_s: float
    most_s: float
    _tries: int = field(default=0, init=False)

    def next_s(self) -> float:
        """Return the next delay in seconds."""
        delay = min(self.most_s, self.first_s * _GROWTH**self._tries)
        self._tries += 1
        return delay

    def reset(self) -> None:
        """Begin with the first delay again, after a success."""
        self._tries = 0
