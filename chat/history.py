"""What a room remembers: the events that a returning viewer may have missed. Pure."""

from collections import deque
from collections.abc import Sequence

from chat.arrival import Arrival
from chat.broker import Position


class History:
    """The last events of the room's epoch, without a hole after `known_after`; bounded, the oldest goes first.

    Who asks for what follows an offset up to `gone_until` asks in vain, here and in the broker.
    """

    def __init__(self, capacity: int = 5_000) -> None:
        self._capacity = capacity
        self._arrivals: deque[Arrival] = deque()
        self._epoch = ""
        self.known_after = 0
        self.gone_until = -1

    def begin(self, position: Position) -> None:
        """Know of an epoch only what comes after this position."""
        self._arrivals.clear()
        self._epoch, self.known_after, self.gone_until = position.epoch, position.offset, -1

    def add(self, arrival: Arrival) -> None:
        """Note the next event; one without a position, or of an epoch that has ended, cannot be asked for."""
        if arrival.position is None or arrival.position.epoch != self._epoch:
            return
        self._arrivals.append(arrival)
        if len(self._arrivals) > self._capacity:
            gone = self._arrivals.popleft().position
            assert gone is not None
            self.known_after = gone.offset
            self.gone_until = gone.offset - 1

    def lacks(self, position: Position) -> bool:
        """Say whether it is worth asking the broker for what followed this position."""
        return position.epoch == self._epoch and self.gone_until < position.offset < self.known_after

    def add_older(self, arrivals: Sequence[Arrival], after: int) -> None:
        """Note, in order, every event between the offset `after` and what was known so far."""
        if len(arrivals) + len(self._arrivals) > self._capacity:
            self.give_up(after)
            return
        self._arrivals.extendleft(reversed(arrivals))
        self.known_after = after

    def give_up(self, offset: int) -> None:
        """Note that what followed this offset is gone."""
        self.gone_until = max(self.gone_until, offset)

    def covers(self, position: Position) -> bool:
        """Say whether everything after this position is known."""
        return position.epoch == self._epoch and position.offset >= self.known_after

    def since(self, position: Position) -> list[Arrival]:
        """Return what came after a position that is covered, in order."""
        found = []
        for arrival in reversed(self._arrivals):
            assert arrival.position is not None
            if arrival.position.offset <= position.offset:
                break
            found.append(arrival)
        return found[::-1]
