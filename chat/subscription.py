"""Feeds open rooms from the broker and fills what was lost on the way. I/O through ports."""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from chat.broker import Broker, Delivery, Position
from chat.envelope import seal, unseal
from chat.events import CardPulled, CardShown, CommentPosted, Pinned, Snapshot, StateChanged
from chat.importance import Importance
from chat.open_room import OpenRoom
from chat.room import Room
from chat.snapshot import SharedSnapshot, SnapshotBuilder, adopt

log = logging.getLogger(__name__)


class Subscription:
    """Subscribes rooms and keeps each in the order of its stream."""

    def __init__(
        self, broker: Broker, snapshots: SnapshotBuilder, now_s: Callable[[], float], now_ms: Callable[[], int]
    ) -> None:
        """`now_s` is monotonic, `now_ms` epoch milliseconds."""
        self._broker = broker
        self._snapshots = snapshots
        self._now_s = now_s
        self._now_ms = now_ms
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
        await self._mend(opened, replay.position)
        room.begin(replay.position, lost=True)
        self._resume(opened, replay.position, [])
        opened.state_untold = False

    async def _mend(self, opened: OpenRoom, lost_before: Position | None = None) -> None:
        """Tell the state, which may have changed while nobody could be told; if events are lost, all that is so now.

        A comment that follows the position where the room goes on is left to its place in the order.
        """
        room = opened.room
        shared = await self._snapshots.build(room, staff=False, now_s=self._now_s())
        if shared is None:
            return
        self._snapshots.forget(room, shared.recording)
        snapshot = shared.snapshot
        if not (room.is_stale(snapshot.state) or _state_came_by(shared)):
            room.say(StateChanged(snapshot.state, snapshot.publisher, snapshot.stream_time_ms))
        if lost_before is not None:
            following = _comment_ids(opened.feed.held_after(lost_before))
            self._tell_all(room, snapshot, following)
        adopt(room, shared)
        opened.noted.set()

    def _tell_all(self, room: Room, snapshot: Snapshot, following: set[str]) -> None:
        if snapshot.card is not None:
            room.say(CardShown(snapshot.card, self._now_ms(), snapshot.stream_time_ms))
        elif room.card_product_id is not None:
            room.say(CardPulled(room.card_product_id, "pulled"))
        room.say(Pinned(snapshot.pinned))
        for comment in room.missed(comment for comment in snapshot.comments if comment.comment_id not in following):
            sealed = seal(CommentPosted(**msgspec.structs.asdict(comment)))
            room.deliver(Delivery(None, False, sealed.data), self._now_s())


def _state_came_by(shared: SharedSnapshot) -> bool:
    """Say whether the state was told in the room's order since the snapshot was begun, which is newer then."""
    return any(a.headline.type == "state" and a.position is not None for a in shared.recording.arrivals)


def _comment_ids(deliveries: Iterable[Delivery]) -> set[str]:
    ids: set[str] = set()
    for delivery in deliveries:
        with contextlib.suppress(msgspec.DecodeError):
            envelope, headline = unseal(delivery.envelope)
            # What is for staff alone does not tell a viewer.
            if envelope.audience == "all" and headline.type == "comment" and headline.comment_id is not None:
                ids.add(headline.comment_id)
    return ids
