"""Feeds open rooms from the broker and fills what was lost on the way. I/O through ports."""

import logging
from collections import Counter
from collections.abc import Callable

import msgspec

from chat.broker import Broker, Delivery, Position
from chat.events import RoomRestored, StateChanged
from chat.importance import Importance
from chat.open_room import OpenRoom
from chat.room import Room
from chat.snapshot import SharedSnapshot, SnapshotBuilder, adopt

log = logging.getLogger(__name__)


class Subscription:
    """Subscribes rooms and keeps each in the order of its stream."""

    def __init__(self, broker: Broker, snapshots: SnapshotBuilder, now_s: Callable[[], float]) -> None:
        """`now_s` is monotonic."""
        self._broker = broker
        self._snapshots = snapshots
        self._now_s = now_s
        self.events_by_class: Counter[Importance] = Counter()

    async def begin(self, opened: OpenRoom) -> None:
        """Subscribe a room and learn where its stream is. Raises Unavailable."""
        room = opened.room

        def deliver(delivery: Delivery) -> None:
            if opened.feed.take(delivery):
                self._deliver(room, delivery)
                opened.noted.set()
            elif opened.feed.broken:
                opened.unwhole.set()

        def gap() -> None:
            opened.feed.interrupt()
            opened.unwhole.set()

        await self._broker.subscribe(room.broadcast_id, deliver, gap)
        # Read after the subscription: what is at or before it will be in the snapshot, what follows comes.
        position = await self._broker.position(room.broadcast_id)
        room.begin(position)
        self._resume(opened, position, [])
        opened.subscribed = True

    async def end(self, opened: OpenRoom) -> None:
        """Hear nothing more of a room."""
        await self._broker.unsubscribe(opened.room.broadcast_id)

    def _resume(self, opened: OpenRoom, position: Position, missed: list[Delivery]) -> None:
        for delivery in opened.feed.resume(position, missed):
            self._deliver(opened.room, delivery)
        opened.noted.set()
        if opened.feed.broken:
            opened.unwhole.set()  # among what was held there is a hole too

    def _deliver(self, room: Room, delivery: Delivery) -> None:
        try:
            self.events_by_class[room.deliver(delivery, self._now_s())] += 1
        except msgspec.DecodeError:
            log.warning("room %s was sent something that is not an envelope; dropped", room.broadcast_id)

    async def catch_up(self, opened: OpenRoom) -> None:
        """Fill a hole from the stream; where it is gone tell everyone so, and how things stand. Raises Unavailable.

        What the stream still has is passed on at once; the state is read apart from it, and owed until it is told.
        """
        if opened.subscribed and opened.mail_lost:
            assert opened.feed.position is not None
            await self._restore(opened)
            opened.room.begin(opened.feed.position, lost=True)
            opened.mail_lost = False
        if opened.subscribed and opened.feed.broken:
            await self._fill(opened)
        if opened.state_untold:
            await self._mend(opened)
            opened.state_untold = False

    async def _fill(self, opened: OpenRoom) -> None:
        room, here = opened.room, opened.feed.position
        assert here is not None
        replay = await self._broker.replay(room.broadcast_id, here)
        if replay.missed is not None:
            opened.state_untold = True
            self._resume(opened, here, replay.missed)
            return
        log.warning("room %s lost events after %s %d", room.broadcast_id, here.epoch, here.offset)
        await self._restore(opened)
        room.begin(replay.position, lost=True)
        self._resume(opened, replay.position, [])
        opened.state_untold = False

    async def _mend(self, opened: OpenRoom) -> None:
        """Tell the state, which may have changed while nobody could be told."""
        room = opened.room
        shared = await self._take_snapshot(room, staff=False)
        if shared is None:
            return
        snapshot = shared.snapshot
        if not (room.is_stale(snapshot.state) or _state_came_by(shared)):
            room.say(StateChanged(snapshot.state, snapshot.publisher, snapshot.stream_time_ms))
        adopt(room, shared)
        opened.noted.set()

    async def _restore(self, opened: OpenRoom) -> None:
        """Give everyone a fresh snapshot, as those get who come back: nobody knows what they were not told.

        Staff are given theirs after the viewers', as theirs holds what only they may see. What was published since is
        held back until then, and follows.
        """
        room = opened.room
        audiences = (False, True) if room.has_staff else (False,)
        taken = [await self._take_snapshot(room, staff=staff) for staff in audiences]
        for shared in taken:
            # What came by since in no order (the show is over, say) is newer than the snapshot.
            if shared is not None and not room.is_stale(shared.snapshot.state):
                room.say(RoomRestored(shared.encoded), audience="all" if shared is taken[0] else "staff")
                adopt(room, shared)
        opened.noted.set()

    async def _take_snapshot(self, room: Room, *, staff: bool) -> SharedSnapshot | None:
        shared = await self._snapshots.build(room, staff=staff, now_s=self._now_s())
        if shared is not None:
            self._snapshots.forget(room, shared.recording)
        return shared


def _state_came_by(shared: SharedSnapshot) -> bool:
    """Say whether the state was told in the room's order since the snapshot was begun, which is newer then."""
    return any(a.headline.type == "state" and a.position is not None for a in shared.recording.arrivals)
