"""Rooms and snapshots: what a joiner is told while the room goes on around them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from chat.broker import Broker, Delivery
from chat.broker_memory import MemoryBroker, MemoryHub
from chat.close_codes import CloseCode
from chat.coalescer import Coalescer
from chat.entrance_hall import JoinRefused
from chat.envelope import Sealed, seal
from chat.events import (
    Author,
    CardPulled,
    Comment,
    CommentPosted,
    LikesCounted,
    OrderChanged,
    QuotaChanged,
    StateChanged,
)
from chat.ports import BroadcastFacts, Principal
from chat.room import Recording, Room
from chat.rooms import Rooms, RoomTimes
from chat.shared_frame import SharedFrame
from chat.single_flight import SingleFlight
from chat.snapshot import SnapshotBuilder
from tests.chat.fakes import BROADCAST, FakeBroadcasts

VIEWER = Principal("ac_a", "viewer", "小明", 0.0)


def plain(payload: bytes, _window_bits: int) -> bytes:
    return payload


class Listener:
    """A member that keeps what it is offered."""

    def __init__(self, account_id: str = "ac_a", role: str = "viewer", *, moderates: bool = False) -> None:
        self.account_id, self.role, self.moderates = account_id, role, moderates
        self.frames: list[bytes] = []
        self.ending: CloseCode | None = None

    def offer(self, frame: SharedFrame) -> None:
        self.frames.append(frame.whole)

    def dismiss(self, close_code: CloseCode) -> None:
        self.ending = close_code


class SlowBroadcasts(FakeBroadcasts):
    """Finds a broadcast at once; after that, for snapshots, answers when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def read(self, broadcast_id: str) -> BroadcastFacts | None:
        if self.reads:
            self.asked.set()
            await self.go_on.wait()
        return await super().read(broadcast_id)


class EmptyStores:
    """An archive, like store and presence with nothing in them but the comments given."""

    def __init__(self, *comments: Comment) -> None:
        self.comments = list(comments)

    async def recent(self, *_: object, **__: object) -> list[Comment]:
        return self.comments

    async def pinned(self, *_: object) -> None:
        return None

    async def merge(self, *_: object) -> int:
        return 0

    async def highest(self, _: str, clients: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(clients, 0)

    async def report(self, *_: object) -> int:
        return 0


def posted(comment_id: str) -> Comment:
    return Comment(comment_id, "comment", Author("ac_z", "远方", "viewer"), comment_id, 1_000, None)


def event_of(comment: Comment) -> CommentPosted:
    return CommentPosted(comment.comment_id, comment.kind, comment.author, comment.text, comment.at_ms, None)


def make_rooms(
    hub: MemoryHub,
    broadcasts: FakeBroadcasts,
    stores: Any,
    times: RoomTimes | None = None,
    broker: Broker | None = None,
) -> Rooms:
    return Rooms(
        gateway_id="gw",
        broker=broker or MemoryBroker(hub),
        snapshots=SnapshotBuilder(broadcasts, stores, stores, stores, "gw"),
        likes=stores,
        presence=stores,
        build_frame=plain,
        now_s=asyncio.get_running_loop().time,
        times=times,
    )


def make_room() -> Room:
    return Room(BROADCAST, plain, Coalescer(0.1), 0.2)


def give(room: Room, sealed: Sealed, now_s: float = 0.0) -> None:
    room.deliver(Delivery(None, False, sealed.data), now_s)


def hand_out(room: Room, now_s: float = 0.0) -> None:
    for mailing in room.mail(now_s):
        while mailing.pass_on(1):
            pass


async def test_what_happens_while_a_snapshot_is_built_is_told_after_it_and_nothing_twice() -> None:
    hub, broadcasts = MemoryHub(), SlowBroadcasts()
    rooms = make_rooms(hub, broadcasts, EmptyStores(posted("cm_stored")))
    entering = asyncio.create_task(rooms.enter(BROADCAST, VIEWER))
    await broadcasts.asked.wait()
    publisher = MemoryBroker(hub)
    await publisher.publish(BROADCAST, seal(event_of(posted("cm_stored"))))
    await publisher.publish(BROADCAST, seal(event_of(posted("cm_late"))))
    await publisher.publish(BROADCAST, seal(event_of(posted("cm_held")), audience="staff"))
    await publisher.publish(BROADCAST, seal(QuotaChanged("pr_1", 5, 10, "CNY"), to="ac_other"))
    await publisher.publish(BROADCAST, seal(StateChanged("paused", "none", None)))
    await asyncio.sleep(0)
    broadcasts.go_on.set()
    entrance = await entering
    room, shared = entrance.room, entrance.shared
    assert shared.missed("ac_a", False, room.mailed_place) == []  # it comes to everyone with the next mail
    room.mail(0.0)
    missed = shared.missed("ac_a", False, room.mailed_place)
    assert [b'"cm_late"' in missed[0], b'"state"' in missed[1], len(missed)] == [True, True, 2]
    assert room.state == "paused"


async def test_a_room_whose_broadcast_ends_while_joining_is_refused() -> None:
    hub, broadcasts = MemoryHub(), SlowBroadcasts()
    rooms = make_rooms(hub, broadcasts, EmptyStores())
    entering = asyncio.create_task(rooms.enter(BROADCAST, VIEWER))
    await broadcasts.asked.wait()
    await MemoryBroker(hub).publish(BROADCAST, seal(StateChanged("terminated", "none", None)))
    await asyncio.sleep(0)
    broadcasts.go_on.set()
    with pytest.raises(JoinRefused) as refusal:
        await entering
    assert refusal.value.close_code is CloseCode.BROADCAST_OVER


async def test_a_broadcast_that_is_over_or_none_at_all_has_no_room_opened_and_is_asked_for_once() -> None:
    class Elsewhere(FakeBroadcasts):
        async def read(self, broadcast_id: str) -> BroadcastFacts | None:
            await asyncio.sleep(0)
            return await super().read(broadcast_id)

    broadcasts = Elsewhere({BROADCAST: "ended"})
    rooms = make_rooms(MemoryHub(), broadcasts, EmptyStores())
    for broadcast_id, close_code in (
        (BROADCAST, CloseCode.BROADCAST_OVER),
        ("bc_made_up", CloseCode.NO_SUCH_BROADCAST),
    ):
        broadcasts.reads = 0
        entering = [rooms.enter(broadcast_id, VIEWER) for _ in range(5)]
        refusals = await asyncio.gather(*entering, return_exceptions=True)
        assert [one.close_code for one in refusals if isinstance(one, JoinRefused)] == [close_code] * 5
        assert broadcasts.reads == 1
        assert len(rooms) == 0


async def test_a_joiner_that_leaves_passes_the_snapshot_on_to_the_next() -> None:
    broadcasts = SlowBroadcasts()
    rooms = make_rooms(MemoryHub(), broadcasts, EmptyStores())
    first = asyncio.create_task(rooms.enter(BROADCAST, VIEWER))
    await broadcasts.asked.wait()
    second = asyncio.create_task(rooms.enter(BROADCAST, VIEWER))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    broadcasts.go_on.set()
    assert (await second).room.broadcast_id == BROADCAST


async def test_many_who_ask_at_once_share_one_build_and_its_error() -> None:
    flight: SingleFlight[int] = SingleFlight()
    builds = 0

    async def build() -> int:
        nonlocal builds
        builds += 1
        await asyncio.sleep(0)
        if builds == 2:
            raise ValueError("second")
        return builds

    assert await asyncio.gather(*(flight.run(build) for _ in range(10))) == [1] * 10
    failures = await asyncio.gather(*(flight.run(build) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(failure, ValueError) for failure in failures)
    assert await flight.run(build) == 3


def test_an_event_is_encoded_once_and_the_same_bytes_reach_everyone() -> None:
    room, members = make_room(), [Listener(f"ac_{i}") for i in range(5)]
    for member in members:
        room.add(member)
    give(room, seal(QuotaChanged("pr_1", 5, 10, "CNY")))
    hand_out(room)
    assert len({id(member.frames[0]) for member in members}) == 1


def test_like_totals_of_many_gateways_are_shown_once_a_tick() -> None:
    room, member = make_room(), Listener()
    room.add(member)
    for i in range(1, 31):
        give(room, seal(LikesCounted(i)), i / 100)
        hand_out(room)
    room.show_likes(1.0)
    hand_out(room)
    assert member.frames[0] == b'[{"type":"likes","total":1}]'
    assert member.frames[-1] == b'[{"type":"likes","total":30}]'
    assert len(member.frames) <= 3


async def test_the_end_of_a_broadcast_is_told_before_everyone_is_sent_away() -> None:
    hub = MemoryHub()
    rooms, member = make_rooms(hub, FakeBroadcasts(), EmptyStores()), Listener()
    running = asyncio.create_task(rooms.run())
    room = (await rooms.enter(BROADCAST, VIEWER)).room
    room.add(member)
    await MemoryBroker(hub).publish(BROADCAST, seal(StateChanged("ended", "none", 1)))
    async with asyncio.timeout(10):
        while member.ending is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(member.frames) == 1
    assert member.ending is CloseCode.BROADCAST_OVER
    assert len(room) == 0
    running.cancel()
    await asyncio.wait([running])


def test_staff_and_viewers_share_a_frame_each_and_an_addressed_event_comes_in_its_place() -> None:
    room = make_room()
    owner, viewer, host = Listener("ac_a"), Listener("ac_b"), Listener("ac_h", "host", moderates=True)
    for member in (owner, viewer, host):
        room.add(member)
    give(room, seal(event_of(posted("cm_1"))))
    give(room, seal(OrderChanged("or_1", "accepted", 1, "CNY", "pr_1"), to="ac_a"))
    give(room, seal(event_of(posted("cm_2")), audience="staff"))
    give(room, seal(event_of(posted("cm_3"))))
    hand_out(room)
    assert [told(member) for member in (owner, viewer, host)] == [
        ["cm_1", "or_1", "cm_3"],
        ["cm_1", "cm_3"],
        ["cm_1", "cm_2", "cm_3"],
    ]
    assert {len(member.frames) for member in (owner, viewer, host)} == {1}


def told(member: Listener) -> list[str]:
    events = [event for frame in member.frames for event in msgspec.json.decode(frame)]
    return [event.get("comment_id") or event["order_id"] for event in events if event["type"] != "position"]


def test_a_recording_that_overflows_is_spoilt() -> None:
    room, recording = make_room(), Recording(limit=2)
    room.recordings.append(recording)
    for i in range(3):
        give(room, seal(event_of(posted(f"cm_{i}"))))
    assert recording.spoilt
    assert len(recording.arrivals) == 2


async def test_a_batch_that_fills_while_its_tick_is_waited_for_goes_at_once() -> None:
    hub, listener = MemoryHub(), Listener()
    rooms = make_rooms(hub, FakeBroadcasts(), EmptyStores(), RoomTimes(tick_s=600.0, slowest_tick_s=600.0))
    running = asyncio.create_task(rooms.run())
    (await rooms.enter(BROADCAST, VIEWER)).room.add(listener)
    publisher = MemoryBroker(hub)

    async def until(product_id: bytes) -> None:
        for _ in range(2_000):
            if any(product_id in frame for frame in listener.frames):
                return
            await asyncio.sleep(0.01)
        pytest.fail("never told")

    await publisher.publish(BROADCAST, seal(CardPulled("pr_first", "x")))
    await until(b"pr_first")
    await publisher.publish(BROADCAST, seal(CardPulled("pr_small", "x")))
    await asyncio.sleep(0.05)  # its tick of ten minutes is being waited for
    assert len(listener.frames) == 1
    for number in range(90):
        await publisher.publish(BROADCAST, seal(CardPulled(f"pr_{number}", "r" * 400)))
    await until(b"pr_small")
    assert max(map(len, listener.frames)) < 64 * 1024
    running.cancel()
    await asyncio.wait([running])


class HungStores(EmptyStores):
    """Once `hung`, neither likes nor presence are answered until told to; `asked` counts who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.hung, self.go_on = 0, False, asyncio.Event()

    async def report(self, *_: object) -> int:
        self.asked += self.hung
        if self.hung:
            await self.go_on.wait()
        return 0

    async def merge(self, *_: object) -> int:
        return await self.report()


@pytest.mark.parametrize("tick", ["tick_presence", "tick_likes"])
async def test_a_room_does_not_wait_for_another_rooms_hung_report(tick: str) -> None:
    shows = [f"bc_{number}" for number in range(8)]
    stores = HungStores()
    rooms = make_rooms(MemoryHub(), FakeBroadcasts(dict.fromkeys(shows, "live")), stores)
    for show in shows:
        (await rooms.enter(show, VIEWER)).room.likes.raise_count("ac_a/phone", 1)
    stores.hung = True
    ticking = asyncio.create_task(getattr(rooms, tick)())
    for _ in range(1_000):
        if stores.asked == len(shows):
            break
        await asyncio.sleep(0.01)
    assert stores.asked == len(shows)
    stores.go_on.set()
    await ticking
