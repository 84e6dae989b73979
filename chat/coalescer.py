"""When a room speaks: the first event at once, what follows within a tick together. Pure; times in seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chat.arrival import Arrival

# A fan-out may take this share of the time between two, so that reading and joining go on under load.
_BUSY_SHARE = 0.5
# A batch of this size is due before its tick, so that a frame stays well below what may wait for one connection.
_FULL_BYTES = 32 * 1024


@dataclass(slots=True)
class Batch:
    """What is said in one tick: events in order, then the newest of each total."""

    arrivals: list[Arrival] = field(default_factory=list)
    totals: dict[str, Arrival] = field(default_factory=dict)
    size_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.arrivals or self.totals)


class Coalescer:
    """Gathers a room's arrivals; its owner asks `due_s`, takes the batch then, and says how long that took.

    The tick grows with what a fan-out costs, up to `slowest_s`: a room whose fan-out takes 0.1 s speaks every
    0.2 s. A batch that is full is due at once, of which `filled` is told; so it is bounded by what arrives while
    the last one goes out.
    """

    def __init__(self, tick_s: float, slowest_s: float = 1.0, filled: Callable[[], object] = lambda: None) -> None:
        self._filled = filled
        self._tick_s = tick_s
        self._slowest_s = max(slowest_s, tick_s)
        self._pause_s = tick_s
        self._spoke_at_s = float("-inf")
        self._batch = Batch()

    @property
    def pause_s(self) -> float:
        """The time between two batches now."""
        return self._pause_s

    def add(self, arrival: Arrival) -> None:
        """Note an event, or the newest value of a total."""
        if arrival.total_key is None:
            self._batch.arrivals.append(arrival)
            self._batch.size_bytes += len(bytes(arrival.envelope.event))
            if self._batch.size_bytes >= _FULL_BYTES:
                self._filled()
        else:
            self._batch.totals[arrival.total_key] = arrival

    def due_s(self) -> float | None:
        """Return when the next batch is due, which may have passed; None while there is nothing to say."""
        if not self._batch:
            return None
        full = self._batch.size_bytes >= _FULL_BYTES
        return self._spoke_at_s + (0.0 if full else self._pause_s)

    def take(self, now_s: float) -> Batch:
        """Take what is to be said now."""
        batch, self._batch = self._batch, Batch()
        self._spoke_at_s = now_s
        return batch

    def spent(self, fan_out_s: float) -> None:
        """Note how long the last fan-out held the room."""
        self._pause_s = min(max(self._tick_s, fan_out_s / _BUSY_SHARE), self._slowest_s)
