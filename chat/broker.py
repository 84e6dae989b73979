"""The port between rooms of the same broadcast in different processes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chat.envelope import Sealed


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a room's order of events: the offsets of an epoch are 1, 2, 3, … without a hole."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An envelope as it comes to every process; totals have no position.

    `sampled_out` is decided once, when the event is published, so that all viewers of a room see the same.
    """

    position: Position | None
    sampled_out: bool
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """What followed a position; `missed` is None when that cannot be said any more. `position` is where things are."""

    position: Position
    missed: list[Delivery] | None


Deliver = Callable[[Delivery], None]
Gap = Callable[[], None]


class Broker(Protocol):
    """Carries sealed envelopes from whoever publishes to every process that has the room.

    Each published event that is not a total takes the next offset of the room's epoch, is kept for `replay`
    within bounds of count and age, and is sent to subscribers, in one step: offset, kept order and sending order
    are the same for everyone. An epoch ends when the medium lost, or may have lost, what it kept. An event sealed
    with `once` is published once for that key within fifteen minutes and an epoch, however often it is asked for.

    Delivery to subscribers is at most once. After `subscribe` has returned, every later publish in any process
    arrives while the connection holds. When it was lost and is back, `gap` is called for each room before the
    first envelope that follows: some may be missing, `replay` has them. Callbacks run on the event loop, must not
    block and must not raise.
    """

    async def publish(self, broadcast_id: str, sealed: Sealed) -> None:
        """Send to all subscribers of the room, this process included; raises Unavailable when not handed over."""

    async def subscribe(self, broadcast_id: str, deliver: Deliver, gap: Gap) -> None:
        """Begin to receive a room, one subscription a room and broker; raises Unavailable when it is not confirmed."""

    async def unsubscribe(self, broadcast_id: str) -> None:
        """Stop receiving; nothing is delivered once this was called. Never raises."""

    async def position(self, broadcast_id: str) -> Position:
        """Return where the room's order is now; raises Unavailable."""

    async def replay(self, broadcast_id: str, after: Position) -> Replay:
        """Return every event after a position, in order; raises Unavailable."""

    async def run(self) -> None:
        """Receive until cancelled; to be run as one task of the owner's TaskGroup."""
