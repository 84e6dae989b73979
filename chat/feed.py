"""Puts a room's deliveries in order: each offset is passed on once, and nothing past a hole. Pure."""

from collections.abc import Iterable

from chat.broker import Delivery, Position


class Feed:
    """What a subscription delivers, held back while something before it is missing.

    While `broken` its owner asks the broker for what is missing and calls `resume`. What is held meanwhile is
    bounded; overflow policy: *ask again*, the next delivery then shows the hole anew.
    """

    def __init__(self, most_held: int = 4_096) -> None:
        self._most_held = most_held
        self._held: list[Delivery] = []
        self.position: Position | None = None
        self.broken = True

    def take(self, delivery: Delivery) -> bool:
        """Say whether to pass this on now; what is held comes from `resume`, and a repeat never."""
        reached = delivery.position
        if reached is None:
            return True
        if not self.broken:
            here = self.position
            assert here is not None
            if reached.epoch == here.epoch and reached.offset <= here.offset:
                return False
            if reached == Position(here.epoch, here.offset + 1):
                self.position = reached
                return True
        self.broken = True
        if len(self._held) < self._most_held:
            self._held.append(delivery)
        return False

    def interrupt(self) -> None:
        """Something may be missing."""
        self.broken = True

    def resume(self, position: Position, missed: Iterable[Delivery]) -> list[Delivery]:
        """Go on from a position with what followed it; return what is to be passed on now, in order."""
        held, self._held = self._held, []
        self.position, self.broken = position, False
        # What is held of an older epoch was kept nowhere; it would look like a hole for ever.
        waiting = [one for one in held if one.position is not None and one.position.epoch == position.epoch]
        return [delivery for delivery in [*missed, *waiting] if self.take(delivery)]
