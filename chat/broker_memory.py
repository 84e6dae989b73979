"""A broker within one process, for tests of rooms. No I/O."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from chat.broker import Deliver, Delivery, Gap, Position, Replay
from chat.envelope import Sealed
from chat.sampling import Sampler


@dataclass(slots=True)
class _HubRoom:
    sampler: Sampler
    epoch: str = "e0"
    kept: list[Delivery] = field(default_factory=list)
    once: set[str] = field(default_factory=set)
    subscribers: dict[int, Deliver] = field(default_factory=dict)


class MemoryHub:
    """What Redis is to the real broker: the medium that several brokers share."""

    def __init__(self, readable_per_s: int = 0) -> None:
        self.rooms: defaultdict[str, _HubRoom] = defaultdict(lambda: _HubRoom(Sampler(readable_per_s)))
        self.now_ms = 0

    def lose(self, broadcast_id: str) -> None:
        """Forget what was kept, as a Redis that was restarted does."""
        room = self.rooms[broadcast_id]
        room.epoch = f"e{int(room.epoch[1:]) + 1}"
        room.kept.clear()
        room.once.clear()


class MemoryBroker:
    """Delivers on the next turn of the loop, in order; never loses anything, so `gap` is never called."""

    def __init__(self, hub: MemoryHub) -> None:
        self._hub = hub

    async def publish(self, broadcast_id: str, sealed: Sealed) -> None:
        """Hand over to all subscribers."""
        room = self._hub.rooms[broadcast_id]
        if sealed.once is not None:
            if sealed.once in room.once:
                return
            room.once.add(sealed.once)
        delivery = self._keep(room, sealed)
        loop = asyncio.get_running_loop()
        for owner in list(room.subscribers):
            loop.call_soon(self._deliver, broadcast_id, owner, delivery)

    def _keep(self, room: _HubRoom, sealed: Sealed) -> Delivery:
        if sealed.importance == "total":
            return Delivery(None, False, sealed.data)
        sampled = sealed.author_id is not None and not room.sampler.shows(sealed.author_id, self._hub.now_ms)
        delivery = Delivery(Position(room.epoch, len(room.kept) + 1), sampled, sealed.data)
        room.kept.append(delivery)
        return delivery

    def _deliver(self, broadcast_id: str, owner: int, delivery: Delivery) -> None:
        deliver = self._hub.rooms[broadcast_id].subscribers.get(owner)
        if deliver is not None:
            deliver(delivery)

    async def subscribe(self, broadcast_id: str, deliver: Deliver, gap: Gap) -> None:
        """Begin to receive."""
        self._hub.rooms[broadcast_id].subscribers[id(self)] = deliver

    async def unsubscribe(self, broadcast_id: str) -> None:
        """Stop receiving."""
        self._hub.rooms[broadcast_id].subscribers.pop(id(self), None)

    async def position(self, broadcast_id: str) -> Position:
        """Return where the room is."""
        room = self._hub.rooms[broadcast_id]
        return Position(room.epoch, len(room.kept))

    async def replay(self, broadcast_id: str, after: Position) -> Replay:
        """Return what followed."""
        room = self._hub.rooms[broadcast_id]
        known = after.epoch == room.epoch and 0 <= after.offset <= len(room.kept)
        return Replay(await self.position(broadcast_id), room.kept[after.offset :] if known else None)

    async def run(self) -> None:
        """Wait until cancelled; there is nothing to receive from."""
        await asyncio.Event().wait()
