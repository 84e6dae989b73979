"""The rooms of one process: opened by the first joiner, ticked, and swept when empty. I/O through ports."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from chat.audience import Audience, OfferingAudience
from chat.broadcast_states import OVER
from chat.broker import Broker, Position
from chat.close_codes import CloseCode
from chat.coalescer import Coalescer
from chat.entrance_hall import EntranceHall
from chat.envelope import seal
from chat.errors import Unavailable
from chat.events import LikesCounted, Publisher, StateChanged
from chat.importance import Importance
from chat.likes import LikeStore
from chat.mail_rounds import FannedOut, MailRounds
from chat.open_room import OpenRoom
from chat.ports import Principal
from chat.presence import Presence
from chat.recovery import Entrance
from chat.room import Room
from chat.shared_frame import BuildFrame
from chat.single_flight import SingleFlight
from chat.snapshot import SnapshotBuilder
from chat.subscription import Subscription

log = logging.getLogger(__name__)

_ROOMS_AT_ONCE = 64


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


class Rooms:
    """Opens, ticks and sweeps rooms; letting in, feeding and speaking have modules of their own."""

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
        times: RoomTimes | None = None,
        make_audience: Callable[[], Audience] = OfferingAudience,
        fanned_out: FannedOut | None = None,
    ) -> None:
        """`now_s` is monotonic."""
        self._gateway_id = gateway_id
        self._broker = broker
        self._likes = likes
        self._presence = presence
        self._build_frame = build_frame
        self._now_s = now_s
        self._make_audience = make_audience
        times = self._times = times or RoomTimes()
        self._opened: dict[str, OpenRoom] = {}
        self._finding: dict[str, SingleFlight[None]] = {}
        self._subscription = Subscription(broker, snapshots, now_s)
        self._mail_rounds = MailRounds(self._subscription, now_s, fanned_out)
        self._hall = EntranceHall(broker, snapshots, now_s, fresh_s=times.snapshot_age_s, kept_s=times.snapshot_kept_s)

    def __len__(self) -> int:
        return len(self._opened)

    @property
    def events_by_class(self) -> Mapping[Importance, int]:
        """How many events of each class came to this process's rooms."""
        return self._subscription.events_by_class

    async def run(self) -> None:
        """Hand out what rooms have to say until cancelled; to be run as one task of the owner's TaskGroup."""
        await self._mail_rounds.run(self._opened.values())

    async def enter(self, broadcast_id: str, principal: Principal, reached: Position | None = None) -> Entrance:
        """Find the room, a snapshot and what was missed since `reached`; the caller adds the member without waiting.

        Raises JoinRefused (no such broadcast, over, not for this role) and Unavailable.
        """
        opened = self._opened.get(broadcast_id) or await self._find(broadcast_id)
        opened.joining += 1
        try:
            if not opened.subscribed:
                await opened.subscribing.run(lambda: self._subscription.begin(opened))
            return await self._hall.enter(opened, principal, reached)
        finally:
            opened.joining -= 1

    async def _find(self, broadcast_id: str) -> OpenRoom:
        """Open a room of a broadcast that there is; asked once for all who come at the same moment."""
        finding = self._finding.setdefault(broadcast_id, SingleFlight())
        try:
            await finding.run(lambda: self._hall.check(broadcast_id))
        finally:
            self._finding.pop(broadcast_id, None)
        return self._opened.get(broadcast_id) or self._open(broadcast_id)

    def _open(self, broadcast_id: str) -> OpenRoom:
        times = self._times
        filled = asyncio.Event()
        coalescer = Coalescer(times.tick_s, times.slowest_tick_s, filled.set)
        room = Room(broadcast_id, self._build_frame, coalescer, times.like_tick_s, self._make_audience)
        opened = self._opened[broadcast_id] = OpenRoom(room, filled=filled)
        self._mail_rounds.begin(opened)
        return opened

    async def tick_likes(self) -> None:
        """Send each room's counts to the store and its total to everyone; to be called every like tick."""
        await _side_by_side(self._tick_likes_of, self._opened.values())

    async def _tick_likes_of(self, opened: OpenRoom) -> None:
        await self._merge_likes(opened.room)
        opened.room.show_likes(self._now_s())
        opened.noted.set()

    async def _merge_likes(self, room: Room) -> None:
        counts = room.likes.take_counts()
        if not counts:
            return
        allowance = room.like_allowance
        try:
            if unknown := allowance.unknown(counts):
                allowance.learn(await self._likes.highest(room.broadcast_id, unknown))
            total = await self._likes.merge(room.broadcast_id, allowance.grant(counts, self._now_s()))
            await self._broker.publish(room.broadcast_id, seal(LikesCounted(total)))
        except Unavailable:
            log.warning("likes of %s wait for the next tick", room.broadcast_id)
            for client, count in counts.items():
                room.likes.raise_count(client, count)

    async def tick_presence(self) -> None:
        """Report who is here, learn who is elsewhere and sweep empty rooms; every `presence_s`."""
        await _side_by_side(self._report_presence, self._opened.values())

    async def _report_presence(self, opened: OpenRoom) -> None:
        room = opened.room
        try:
            online = await self._presence.report(room.broadcast_id, self._gateway_id, len(room), room.monitors)
            room.show_online(online)
            opened.noted.set()
        except Unavailable:
            log.warning("presence of %s waits for the next report", room.broadcast_id)
        self._hall.drop_snapshots(opened)
        await self._sweep(opened)

    async def _sweep(self, opened: OpenRoom) -> None:
        """Close a room that has been empty for a while."""
        if len(opened.room) or opened.joining:
            opened.empty_since_s = None
            return
        if opened.empty_since_s is None:
            opened.empty_since_s = self._now_s()
        elif self._now_s() - opened.empty_since_s >= self._times.empty_s:
            del self._opened[opened.room.broadcast_id]
            opened.stop_speaking()
            await self._subscription.end(opened)

    def online(self) -> dict[str, int]:
        """How many are in each room over all gateways, as last learned."""
        return {broadcast_id: opened.room.online for broadcast_id, opened in self._opened.items()}

    def states(self) -> dict[str, str]:
        """What each room was last told of its broadcast; rooms of what is over, or not open yet, are left out."""
        return {broadcast_id: room.state for broadcast_id, room in self._going_on()}

    def publishers(self) -> dict[str, Publisher]:
        """What each room was last told of its publisher; left out as with `states`."""
        return {broadcast_id: room.publisher for broadcast_id, room in self._going_on()}

    def _going_on(self) -> list[tuple[str, Room]]:
        rooms = ((broadcast_id, opened.room) for broadcast_id, opened in self._opened.items())
        return [(broadcast_id, room) for broadcast_id, room in rooms if room.state and not room.over]

    def tell_state(self, broadcast_id: str, state: str, stream_time_ms: int | None) -> None:
        """Tell everyone in this process's room how its broadcast stands; who is in one that is over is sent away."""
        if (opened := self._opened.get(broadcast_id)) is not None and not opened.room.is_stale(state):
            publisher: Publisher = "none" if state in OVER else opened.room.publisher
            self._tell(opened, StateChanged(state, publisher, stream_time_ms))

    def tell_publisher(self, broadcast_id: str, publisher: Publisher, stream_time_ms: int | None) -> None:
        """Tell everyone in this process's room how its publisher is; nothing happens where there is no room now."""
        if (opened := self._opened.get(broadcast_id)) is not None and not opened.room.over:
            self._tell(opened, StateChanged(opened.room.state, publisher, stream_time_ms))

    def _tell(self, opened: OpenRoom, event: StateChanged) -> None:
        opened.room.learn_state(event.state, event.publisher)
        opened.room.say(event)
        opened.noted.set()

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
            await self._subscription.end(opened)
            opened.stop_speaking()
        self._opened.clear()


async def _side_by_side(act: Callable[[OpenRoom], Awaitable[None]], rooms: Iterable[OpenRoom]) -> None:
    """Do this in each room, in a few at once: while Redis hangs, room by room would outlast the life of a report."""
    waiting = list(rooms)

    async def work() -> None:
        while waiting:
            await act(waiting.pop())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(_ROOMS_AT_ONCE, len(waiting))):
            tasks.create_task(work())
