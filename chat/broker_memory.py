"""A broker within one process, for tests of rooms. No I/O."""

import asyncio
from collections import defaultdict

from chat.broker import Deliver, Gap


class MemoryHub:
    """What Redis is to the real broker: the medium that several brokers share."""

    def __init__(self) -> None:
        self.rooms: defaultdict[str, dict[int, Deliver]] = defaultdict(dict)


class MemoryBroker:
    """Delivers on the next turn of the loop, in order; never loses anything, so `gap` is never called."""

    def __init__(self, hub: MemoryHub) -> None:
        self._hub = hub

    async def publish(self, broadcast_id: str, envelope: bytes) -> None:
        """Hand over to all subscribers."""
        loop = asyncio.get_running_loop()
        for owner in list(self._hub.rooms[broadcast_id]):
            loop.call_soon(self._deliver, broadcast_id, owner, envelope)

    def _deliver(self, broadcast_id: str, owner: int, envelope: bytes) -> None:
        deliver = self._hub.rooms[broadcast_id].get(owner)
        if deliver is not None:
            deliver(envelope)

    async def subscribe(self, broadcast_id: str, deliver: Deliver, gap: Gap) -> None:
        """Begin to receive."""
        self._hub.rooms[broadcast_id][id(self)] = deliver

    async def unsubscribe(self, broadcast_id: str) -> None:
        """Stop receiving."""
        self._hub.rooms[broadcast_id].pop(id(self), None)

    async def run(self) -> None:
        """Wait until cancelled; there is nothing to receive from."""
        await asyncio.Event().wait()
