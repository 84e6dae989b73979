"""The port between rooms of the same broadcast in different processes."""

from collections.abc import Callable
from typing import Protocol

Deliver = Callable[[bytes], None]
Gap = Callable[[], None]


class Broker(Protocol):
    """Carries sealed envelopes from whoever publishes to every process that has the room.

    Delivery is at most once. Envelopes of one publisher to one room arrive in the order of their `publish`
    calls; after `subscribe` has returned, every later publish in any process arrives while the connection holds.
    When it was lost and is back, `gap` is called for each room before the first envelope that follows: some may
    be missing. Callbacks run on the event loop, must not block and must not raise.
    """

    async def publish(self, broadcast_id: str, envelope: bytes) -> None:
        """Send to all subscribers of the room, this process included; raises Unavailable when not handed over."""

    async def subscribe(self, broadcast_id: str, deliver: Deliver, gap: Gap) -> None:
        """Begin to receive a room, one subscription a room and broker; raises Unavailable when it is not confirmed."""

    async def unsubscribe(self, broadcast_id: str) -> None:
        """Stop receiving; nothing is delivered once this was called. Never raises."""

    async def run(self) -> None:
        """Receive until cancelled; to be run as one task of the owner's TaskGroup."""
