"""Prepares what one who enters an open room is told: a shared snapshot and what was missed. I/O through ports."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from chat.arrival import Arrival
from chat.broadcast_states import OVER
from chat.broker import Broker, Delivery, Position
from chat.close_codes import CloseCode
from chat.envelope import unseal
from chat.errors import ChatError, Unavailable
from chat.open_room import OpenRoom
from chat.ports import Principal
from chat.recovery import Entrance
from chat.room import Room
from chat.snapshot import SharedSnapshot, SnapshotBuilder, adopt

# How long one who returns may be ahead of this process, which has yet to hear what another told them.
_LOADS = 3
_AHEAD_S = 1.0


class JoinRefused(ChatError):
    """There is no room for this person; the connection ends with `close_code`."""

    def __init__(self, close_code: CloseCode, message: str) -> None:
        super().__init__(close_code.reason, message)
        self.close_code = close_code


class EntranceHall:
    """Snapshots are shared by all who come within `fresh_s`, and recorded behind for `kept_s`."""

    def __init__(
        self, broker: Broker, snapshots: SnapshotBuilder, now_s: Callable[[], float], *, fresh_s: float, kept_s: float
    ) -> None:
        self._broker = broker
        self._snapshots = snapshots
        self._now_s = now_s
        self._fresh_s = fresh_s
        self._kept_s = kept_s

    async def check(self, broadcast_id: str) -> None:
        """Raise JoinRefused where no room is to be opened, and Unavailable; leaves nothing behind anywhere."""
        state = await self._snapshots.state_of(broadcast_id)
        if state is None:
            raise _no_such_broadcast()
        if state in OVER:
            raise JoinRefused(CloseCode.BROADCAST_OVER, "the broadcast is over")

    async def enter(self, opened: OpenRoom, principal: Principal, reached: Position | None) -> Entrance:
        """Return what to tell; the caller adds the member without waiting. Raises JoinRefused and Unavailable."""
        if reached is not None:
            await self._prepare(opened, reached)
        shared = await self._welcoming(opened, principal)
        room = opened.room
        if room.over:
            raise JoinRefused(CloseCode.BROADCAST_OVER, "the broadcast is over")
        if not shared.welcomes(principal.role):
            raise _no_such_broadcast()
        return Entrance(room, shared, _missed(room, reached))

    async def _welcoming(self, opened: OpenRoom, principal: Principal) -> SharedSnapshot:
        """A snapshot that knows whether this person may come in; built anew where the state has moved since."""
        staff = principal.role in ("host", "monitor")
        shared = await self._snapshot(opened, staff=staff)
        if shared.welcomes(principal.role) or "state" not in shared.known_since:
            return shared
        return await opened.building[staff].run(lambda: self._build(opened, staff=staff))

    async def _prepare(self, opened: OpenRoom, reached: Position) -> None:
        """Get to know what followed a position, as far as that can be had; the room may be behind it, or younger."""
        room = opened.room
        try:
            async with asyncio.timeout(_AHEAD_S):
                while reached.epoch == room.mailed.epoch and reached.offset > room.mailed.offset:
                    await opened.mailed.wait()
        except TimeoutError:
            return
        opened.returning.append(reached)
        try:
            # One that is under way was begun without us, and the next may find the least gone that somebody reached.
            for _ in range(_LOADS):
                if room.history.lacks(reached):
                    await opened.loading.run(lambda: self._load_history(opened))
        finally:
            opened.returning.remove(reached)

    async def _load_history(self, opened: OpenRoom) -> None:
        """Load what followed the least that anybody who waits has reached: all others are served with it."""
        history = opened.room.history
        after = min((one for one in opened.returning if history.lacks(one)), key=lambda one: one.offset, default=None)
        if after is None:
            return
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

    async def _snapshot(self, opened: OpenRoom, *, staff: bool) -> SharedSnapshot:
        kept = opened.snapshots.get(staff)
        if kept is not None and not kept.recording.spoilt and self._now_s() - kept.begun_s <= self._fresh_s:
            return kept
        return await opened.building[staff].run(lambda: self._build(opened, staff=staff))

    async def _build(self, opened: OpenRoom, *, staff: bool) -> SharedSnapshot:
        room = opened.room
        shared = await self._snapshots.build(room, staff=staff, now_s=self._now_s())
        if shared is None:
            raise _no_such_broadcast()
        if shared.recording.spoilt:
            self._snapshots.forget(room, shared.recording)
            raise Unavailable("the room is too busy to join now")
        adopt(room, shared)
        replaced = opened.snapshots.get(staff)
        opened.snapshots[staff] = shared
        if replaced is not None:
            self._snapshots.forget(room, replaced.recording)
        return shared

    def drop_snapshots(self, opened: OpenRoom) -> None:
        """Stop recording for snapshots that nobody was given for long; those being handed out are younger."""
        for staff, shared in list(opened.snapshots.items()):
            if self._now_s() - shared.begun_s > self._kept_s:
                self._snapshots.forget(opened.room, shared.recording)
                del opened.snapshots[staff]


def _no_such_broadcast() -> JoinRefused:
    return JoinRefused(CloseCode.NO_SUCH_BROADCAST, "there is no such broadcast")


def _missed(room: Room, reached: Position | None) -> list[Arrival] | None:
    if reached is None or not room.history.covers(reached):
        return None
    # For a tick after a loss the room still stands in the old epoch, whose offsets say nothing of the new one's.
    if reached.epoch != room.mailed.epoch or reached.offset > room.mailed.offset:
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
