"""The rooms of one process: opened by the first joiner, fed by the broker, swept when empty. I/O through ports."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from chat.arrival import Arrival
from chat.broadcast_states import may_join
from chat.broker import Broker, Delivery, Position
from chat.close_codes import CloseCode
from chat.coalescer import Coalescer
from chat.envelope import seal, unseal
from chat.errors import ChatError, Unavailable
from chat.events import CardPulled, CardShown, CommentPosted, LikesCounted, Pinned, Snapshot, StateChanged
from chat.feed import Feed
from chat.likes import LikeStore
from chat.ports import Principal
from chat.presence import Presence
from chat.recovery import Entrance
from chat.room import Member, Room
from chat.shared_frame import BuildFrame
from chat.single_flight import SingleFlight
from chat.snapshot import SharedSnapshot, SnapshotBuilder

log = logging.getLogger(__name__)

# A fan-out goes out in slices of about 2 ms, so that reading and joining are never held up for long.
_SLICE = 256
_ASK_AGAIN_S = 0.25
# How long one who returns may be ahead of this process, which has yet to hear what another told them.
_AHEAD_S = 1.0


class JoinRefused(ChatError):
    """There is no room for this person; the connection ends with `close_code`."""

    def __init__(self, close_code: CloseCode, message: str) -> None:
        super().__init__(close_code.reason, message)
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class RoomTimes:
    """How often rooms do what; seconds."""

    tick_s: float = 0.1
    slowest_tick_s: float = 1.0
    like_tick_s: float = 0.2
    presence_s: float = 2.0
    snapshot_age_s: float = 0.2
    snapshot_kept_s: float = 5.0
    empty_s: float = 5.0


@dataclass(slots=True)
class _Opened:
    """A room with what is needed to let people in."""

    room: Room
    subscribing: SingleFlight[None] = field(default_factory=SingleFlight)
    subscribed: bool = False
    building: dict[bool, SingleFlight[SharedSnapshot]] = field(
        default_factory=lambda: {False: SingleFlight(), True: SingleFlight()}
    )
    snapshots: dict[bool, SharedSnapshot] = field(default_factory=dict)
    joining: int = 0
    empty_since_s: float | None = None
    feed: Feed = field(default_factory=Feed)
    loading: SingleFlight[None] = field(default_factory=SingleFlight)
    mailed: asyncio.Event = field(default_factory=asyncio.Event)
    noted: asyncio.Event = field(default_factory=asyncio.Event)
    speaking: asyncio.Task[None] | None = None


class Rooms:
    """Opens, feeds and sweeps rooms."""

    def __init__(
        self,
        *,
        gateway_id: str,
        broker: Broker,
        snapshots: SnapshotBuilder,
        likes: LikeStore,
        presence: Presence,
        build_frame: BuildFrame,
        now_s: Callable[[], float],
        now_ms: Callable[[], int],
        times: RoomTimes | None = None,
    ) -> None:
        """`now_s` is monotonic, `now_ms` epoch milliseconds."""
        self._gateway_id = gateway_id
        self._broker = broker
        self._snapshots = snapshots
        self._likes = likes
        self._presence = presence
        self._build_frame = build_frame
        self._now_s = now_s
        self._now_ms = now_ms
        self._times = times or RoomTimes()
        self._opened: dict[str, _Opened] = {}
        self._speaking: asyncio.TaskGroup | None = None
        self.events_in = 0

    def __len__(self) -> int:
        return len(self._opened)

    async def run(self) -> None:
        """Hand out what rooms have to say until cancelled; to be run as one task of the owner's TaskGroup."""
        async with asyncio.TaskGroup() as self._speaking:
            for opened in self._opened.values():
                opened.speaking = self._speaking.create_task(self._speak(opened))
            await asyncio.Event().wait()

    async def _speak(self, opened: _Opened) -> None:
        """Mail what is due in a room; the next mail is taken when the last has gone out, which keeps the order."""
        while True:
            await opened.noted.wait()
            try:
                await self._speak_once(opened)
            except Unavailable:
                log.warning("room %s waits for what it missed", opened.room.broadcast_id)
                await asyncio.sleep(_ASK_AGAIN_S)
            except Exception:
                # The boundary of one room: what broke here must not end the others.
                log.exception("a mail of room %s failed", opened.room.broadcast_id)
                await asyncio.sleep(_ASK_AGAIN_S)

    async def _speak_once(self, opened: _Opened) -> None:
        if opened.subscribed and opened.feed.broken:
            await self._catch_up(opened)
        coalescer = opened.room.coalescer
        due_s = coalescer.due_s()
        if due_s is None:
            opened.noted.clear()
            return
        if due_s > (now_s := self._now_s()):
            await asyncio.sleep(due_s - now_s)
        began_s = self._now_s()
        await self._hand_out(opened, began_s)
        coalescer.spent(self._now_s() - began_s)

    async def _hand_out(self, opened: _Opened, now_s: float) -> None:
        room = opened.room
        mailings = room.mail(now_s)
        opened.mailed.set()
        opened.mailed = asyncio.Event()
        ending = room.members if room.over else ()
        for mailing in mailings:
            for start in range(0, len(mailing.members), _SLICE):
                for member in mailing.members[start : start + _SLICE]:
                    member.offer(mailing.frame)
                await asyncio.sleep(0)
        await self._dismiss(room, ending)

    @staticmethod
    async def _dismiss(room: Room, members: tuple[Member, ...]) -> None:
        for i, member in enumerate(members):
            member.dismiss(CloseCode.BROADCAST_OVER)
            room.remove(member)
            if i % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)

    async def enter(self, broadcast_id: str, principal: Principal, reached: Position | None = None) -> Entrance:
        """Find the room, a snapshot and what was missed since `reached`; the caller adds the member without waiting.

        Raises JoinRefused (no such broadcast, over, not for this role) and Unavailable.
        """
        opened = self._opened.get(broadcast_id)
        if opened is None:
            opened = self._open(broadcast_id)
        opened.joining += 1
        try:
            if not opened.subscribed:
                await opened.subscribing.run(lambda: self._subscribe(opened))
            if reached is not None:
                await self._prepare(opened, reached)
            shared = await self._snapshot(opened, staff=principal.role in ("host", "monitor"))
        finally:
            opened.joining -= 1
        room = opened.room
        if room.over:
            raise JoinRefused(CloseCode.BROADCAST_OVER, "the broadcast is over")
        if not may_join(principal.role, room.state):
            raise JoinRefused(CloseCode.NO_SUCH_BROADCAST, "there is no such broadcast")
        return Entrance(room, shared, _missed(room, reached))

    async def _prepare(self, opened: _Opened, reached: Position) -> None:
        """Get to know what followed a position, as far as that can be had; the room may be behind it, or younger."""
        room = opened.room
        try:
            async with asyncio.timeout(_AHEAD_S):
                while reached.epoch == room.mailed.epoch and reached.offset > room.mailed.offset:
                    await opened.mailed.wait()
        except TimeoutError:
            return
        if room.history.lacks(reached):
            await opened.loading.run(lambda: self._load_history(opened, reached))

    async def _load_history(self, opened: _Opened, after: Position) -> None:
        history = opened.room.history
        try:
            replay = await self._broker.replay(opened.room.broadcast_id, after)
        except Unavailable:
            return  # the joiner is given a snapshot
        if not history.lacks(after):
            return
        if replay.missed is None:
            history.give_up(after.offset)
        else:
            history.add_older(_arrivals(replay.missed, history.known_after), after.offset)

    def _open(self, broadcast_id: str) -> _Opened:
        times = self._times
        coalescer = Coalescer(times.tick_s, times.slowest_tick_s)
        room = Room(broadcast_id, self._build_frame, coalescer, times.like_tick_s, self._now_ms())
        opened = self._opened[broadcast_id] = _Opened(room)
        if self._speaking is not None:
            opened.speaking = self._speaking.create_task(self._speak(opened))
        return opened

    async def _subscribe(self, opened: _Opened) -> None:
        room = opened.room

        def deliver(delivery: Delivery) -> None:
            self.events_in += 1
            if opened.feed.take(delivery):
                self._deliver(room, delivery)
            opened.noted.set()

        def gap() -> None:
            opened.feed.interrupt()
            opened.noted.set()

        await self._broker.subscribe(room.broadcast_id, deliver, gap)
        # Read after the subscription: what is at or before it will be in the snapshot, what follows comes.
        position = await self._broker.position(room.broadcast_id)
        room.begin(position)
        self._resume(opened, position, [])
        opened.subscribed = True

    def _resume(self, opened: _Opened, position: Position, missed: list[Delivery]) -> None:
        for delivery in opened.feed.resume(position, missed):
            self._deliver(opened.room, delivery)

    def _deliver(self, room: Room, delivery: Delivery) -> None:
        try:
            room.deliver(delivery, self._now_s())
        except msgspec.DecodeError:
            log.warning("room %s was sent something that is not an envelope; dropped", room.broadcast_id)

    async def _catch_up(self, opened: _Opened) -> None:
        """Fill a hole from the stream; where it is gone tell everyone so, and how things stand. Raises Unavailable."""
        room, here = opened.room, opened.feed.position
        assert here is not None
        replay = await self._broker.replay(room.broadcast_id, here)
        if replay.missed is None:
            log.warning("room %s lost events after %s %d", room.broadcast_id, here.epoch, here.offset)
            await self._mend(opened, lost=True)
            room.begin(replay.position, lost=True)
            self._resume(opened, replay.position, [])
        else:
            self._resume(opened, here, replay.missed)
            try:
                await self._mend(opened, lost=False)
            except Unavailable:
                opened.feed.interrupt()
                raise

    async def _snapshot(self, opened: _Opened, *, staff: bool) -> SharedSnapshot:
        kept = opened.snapshots.get(staff)
        if kept is not None and not kept.recording.spoilt and self._is_fresh(kept):
            return kept
        return await opened.building[staff].run(lambda: self._build(opened, staff=staff))

    def _is_fresh(self, shared: SharedSnapshot) -> bool:
        return self._now_s() - shared.begun_s <= self._times.snapshot_age_s

    async def _build(self, opened: _Opened, *, staff: bool) -> SharedSnapshot:
        room = opened.room
        shared = await self._snapshots.build(room, staff=staff, now_s=self._now_s())
        if shared is None:
            raise JoinRefused(CloseCode.NO_SUCH_BROADCAST, "there is no such broadcast")
        if shared.recording.spoilt:
            self._snapshots.forget(room, shared.recording)
            raise Unavailable("the room is too busy to join now")
        self._adopt(room, shared)
        replaced = opened.snapshots.get(staff)
        opened.snapshots[staff] = shared
        if replaced is not None:
            self._snapshots.forget(room, replaced.recording)
        return shared

    @staticmethod
    def _adopt(room: Room, shared: SharedSnapshot) -> None:
        """Take state, tips and card from the snapshot, unless an event since then knows better."""
        known_since = {arrival.headline.type for arrival in shared.recording.arrivals}
        if "state" not in known_since:
            room.state = shared.snapshot.state
        if not known_since & {"card_shown", "card_pulled"}:
            room.tips_enabled = shared.snapshot.tips_enabled
            card = shared.snapshot.card
            room.card_product_id = None if card is None else card["product_id"]

    async def tick_likes(self) -> None:
        """Send each room's counts to the store and its total to everyone; to be called every like tick."""
        for opened in list(self._opened.values()):
            room = opened.room
            counts = room.likes.take_counts()
            if counts:
                try:
                    total = await self._likes.merge(room.broadcast_id, counts)
                    await self._broker.publish(room.broadcast_id, seal(LikesCounted(total)))
                except Unavailable:
                    log.warning("likes of %s wait for the next tick", room.broadcast_id)
                    for client, count in counts.items():
                        room.likes.raise_count(client, count)
            room.show_likes(self._now_s())
            opened.noted.set()

    async def tick_presence(self) -> None:
        """Report who is here, learn who is elsewhere and sweep empty rooms; every `presence_s`."""
        for opened in list(self._opened.values()):
            room = opened.room
            try:
                monitors = sorted({member.account_id for member in room.members if member.role == "monitor"})
                online = await self._presence.report(room.broadcast_id, self._gateway_id, len(room), monitors)
                room.show_online(online)
                opened.noted.set()
            except Unavailable:
                log.warning("presence of %s waits for the next report", room.broadcast_id)
            self._drop_snapshots(opened)
            await self._sweep(opened)

    def _drop_snapshots(self, opened: _Opened) -> None:
        """Stop recording for snapshots that nobody was given for long; those being handed out are younger."""
        for staff, shared in list(opened.snapshots.items()):
            if self._now_s() - shared.begun_s > self._times.snapshot_kept_s:
                self._snapshots.forget(opened.room, shared.recording)
                del opened.snapshots[staff]

    async def _mend(self, opened: _Opened, *, lost: bool) -> None:
        """Tell the state, which may have changed while nobody could be told; if events are lost, all that is so now."""
        room = opened.room
        shared = await self._snapshots.build(room, staff=False, now_s=self._now_s())
        if shared is None:
            return
        self._snapshots.forget(room, shared.recording)
        snapshot = shared.snapshot
        room.say(StateChanged(snapshot.state, snapshot.publisher, snapshot.stream_time_ms))
        if lost:
            self._tell_all(room, snapshot)
        self._adopt(room, shared)
        opened.noted.set()

    def _tell_all(self, room: Room, snapshot: Snapshot) -> None:
        if snapshot.card is not None:
            room.say(CardShown(snapshot.card, self._now_ms(), snapshot.stream_time_ms))
        elif room.card_product_id is not None:
            room.say(CardPulled(room.card_product_id, "pulled"))
        room.say(Pinned(snapshot.pinned))
        for comment in room.missed(snapshot.comments):
            sealed = seal(CommentPosted(**msgspec.structs.asdict(comment)))
            room.deliver(Delivery(None, False, sealed.data), self._now_s())

    async def _sweep(self, opened: _Opened) -> None:
        """Close a room that has been empty for a while."""
        room = opened.room
        if len(room) or opened.joining:
            opened.empty_since_s = None
            return
        if opened.empty_since_s is None:
            opened.empty_since_s = self._now_s()
        elif self._now_s() - opened.empty_since_s >= self._times.empty_s:
            del self._opened[room.broadcast_id]
            _stop(opened)
            await self._broker.unsubscribe(room.broadcast_id)

    def online(self) -> dict[str, int]:
        """How many are in each room over all gateways, as last learned."""
        return {broadcast_id: opened.room.online for broadcast_id, opened in self._opened.items()}

    def dismiss_account(self, account_id: str, close_code: CloseCode) -> None:
        """Send all of a person's connections away, in every room."""
        for opened in list(self._opened.values()):
            for member in opened.room.of_account(account_id):
                member.dismiss(close_code)
                opened.room.remove(member)

    async def close(self) -> None:
        """Hand over the last likes and sign off; what the stores do not take now, clients send again."""
        await self.tick_likes()
        for opened in list(self._opened.values()):
            try:
                await self._presence.report(opened.room.broadcast_id, self._gateway_id, 0, ())
            except Unavailable:
                log.warning("could not sign off from %s; it expires", opened.room.broadcast_id)
            await self._broker.unsubscribe(opened.room.broadcast_id)
            _stop(opened)
        self._opened.clear()


def _missed(room: Room, reached: Position | None) -> list[Arrival] | None:
    if reached is None or not room.history.covers(reached) or reached.offset > room.mailed.offset:
        return None
    return room.history.since(reached)


def _arrivals(deliveries: list[Delivery], up_to: int) -> list[Arrival]:
    """What was published before this process opened the room, up to an offset."""
    arrivals = []
    for delivery in deliveries:
        assert delivery.position is not None
        if delivery.position.offset > up_to:
            break
        with contextlib.suppress(msgspec.DecodeError):
            envelope, headline = unseal(delivery.envelope)
            arrivals.append(Arrival(0, envelope, headline, delivery.position, delivery.sampled_out))
    return arrivals


def _stop(opened: _Opened) -> None:
    if opened.speaking is not None:
        opened.speaking.cancel()
