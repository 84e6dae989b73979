"""One who returns is told what one who stayed was told: in order, nothing twice, nothing silently left out."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.arrival import Arrival
from chat.broker import Delivery, Position, Replay
from chat.broker_memory import MemoryBroker, MemoryHub
from chat.envelope import envelop, seal, unseal_headline
from chat.errors import Unavailable
from chat.events import (
    Author,
    CardPulled,
    Comment,
    CommentPosted,
    LikesCounted,
    OrderChanged,
    RoomEvent,
    TipGiven,
)
from chat.feed import Feed
from chat.history import History
from chat.ports import Principal
from chat.recovery import MOST_EVENTS, recovered_events
from chat.rooms import Rooms
from chat.shared_frame import SharedFrame
from tests.chat.fakes import BROADCAST, FakeBroadcasts
from tests.chat.test_rooms import EmptyStores, Listener, event_of, make_rooms, posted

VIEWER = Principal("ac_a", "viewer", "小明", 0.0)


def delivery(offset: int, epoch: str = "e0") -> Delivery:
    return Delivery(Position(epoch, offset), False, b"%d" % offset)


def placed(offset: int) -> Arrival:
    envelope = envelop(CardPulled(f"pr_{offset}", "x"))
    return Arrival(offset, envelope, unseal_headline(envelope), Position("e0", offset))


@given(st.lists(st.integers(1, 12), max_size=40), st.data())
def test_a_feed_passes_each_offset_on_once_and_in_order_whatever_is_lost_or_repeated(
    offsets: list[int], data: st.DataObject
) -> None:
    feed, passed = Feed(), [0]
    feed.resume(Position("e0", 0), [])
    for offset in offsets:
        if feed.take(delivery(offset)):
            passed.append(offset)
        if feed.broken and data.draw(st.booleans()):
            here = feed.position
            assert here is not None
            top = max(offsets)
            missed = [delivery(number) for number in range(here.offset + 1, top + 1)]
            passed += [one.position.offset for one in feed.resume(here, missed) if one.position]
    assert passed == list(range(len(passed)))


def test_a_feed_drops_what_is_held_of_an_epoch_that_has_ended() -> None:
    feed = Feed()
    feed.resume(Position("e0", 5), [])
    assert not feed.take(delivery(9))
    assert feed.broken
    assert feed.resume(Position("e1", 0), []) == []
    assert feed.take(delivery(1, "e1"))


def test_a_history_knows_what_it_covers() -> None:
    history = History(capacity=3)
    history.begin(Position("e0", 10))
    for offset in (11, 12):
        history.add(placed(offset))
    assert history.covers(Position("e0", 10))
    assert not history.covers(Position("e0", 9))
    assert not history.covers(Position("e1", 10))
    assert history.lacks(Position("e0", 9))
    history.add_older([placed(10)], 9)
    assert offsets(history.since(Position("e0", 9))) == [10, 11, 12]
    history.add(placed(13))
    assert not history.covers(Position("e0", 9))
    assert offsets(history.since(Position("e0", 10))) == [11, 12, 13]
    assert not history.lacks(Position("e0", 8))  # gone for good


def offsets(arrivals: Sequence[Arrival]) -> list[int]:
    return [arrival.position.offset for arrival in arrivals if arrival.position]


def said(numbers: Sequence[int]) -> list[tuple[RoomEvent, dict[str, Any]]]:
    """Events of every class and audience, by number."""
    kinds: list[tuple[RoomEvent, dict[str, Any]]] = []
    for place, number in enumerate(numbers):
        author = Author(f"ac_{number % 3}", "小明", "viewer")
        kinds.append(
            [
                (CommentPosted(f"cm_{place}", "comment", author, "hi", 1, None), {}),
                (CommentPosted(f"cm_{place}", "comment", author, "hi", 1, None), {"audience": "staff"}),
                (OrderChanged(f"or_{place}", "accepted", 1, "CNY", "pr_1"), {"to": "ac_a"}),
                (OrderChanged(f"or_{place}", "accepted", 1, "CNY", "pr_1"), {"to": "ac_b"}),
                (TipGiven("小明", place + 1, None), {}),
                (CardPulled(f"pr_{place}", "x"), {}),
                (LikesCounted(place + 1), {}),
            ][number % 7]  # type: ignore[arg-type]
        )
    return kinds


class Person:
    """Someone whose connection comes and goes; remembers what they were told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.reached: Position | None = None
        self.listener: Listener | None = None

    def read(self) -> None:
        """Take what the connection brought."""
        assert self.listener is not None
        for frame in self.listener.frames:
            self._take(msgspec.json.decode(frame))
        self.listener.frames.clear()

    def _take(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["type"] == "position":
                self.reached = Position(event["epoch"], event["offset"])
            self.told.append(event)

    async def join(self, rooms: Rooms) -> bool:
        """Come (back); say whether nothing was lost."""
        entrance = await rooms.enter(BROADCAST, VIEWER, self.reached)
        recovered = recovered_events(entrance, "ac_a", False)
        self.reached = entrance.room.mailed
        self._take([msgspec.json.decode(event) for event in recovered or []])
        self.listener = Listener()
        entrance.room.add(self.listener)
        return recovered is not None

    def leave(self, rooms: Rooms) -> None:
        self.read()
        assert self.listener is not None
        rooms._opened[BROADCAST].room.remove(self.listener)
        self.listener = None

    def lasting(self) -> list[tuple[str, ...]]:
        """What has an offset, by name."""
        keys = ("comment_id", "order_id", "points", "product_id")
        return [
            (event["type"], *(str(event[key]) for key in keys if key in event))
            for event in self.told
            if event["type"] in ("comment", "order", "tip", "card_pulled")
        ]

    def left_out(self) -> int:
        return sum(event.get("sampled_out", 0) for event in self.told)


_turns = st.lists(st.one_of(st.integers(0, 40), st.sampled_from(["mail", "leave", "join", "elsewhere"])), max_size=50)


@settings(deadline=None)
@given(_turns)
def test_one_who_comes_and_goes_is_told_exactly_what_one_who_stayed_was(turns: list[int | str]) -> None:
    async def run() -> None:
        hub = MemoryHub(readable_per_s=2)
        gateways = [make_rooms(hub, FakeBroadcasts(), EmptyStores()) for _ in range(2)]
        stayed, comes_and_goes, at = Person(), Person(), 0
        await stayed.join(gateways[0])
        await comes_and_goes.join(gateways[1])
        comes_and_goes.reached = stayed.reached
        publisher = MemoryBroker(hub)
        numbers = [turn for turn in turns if isinstance(turn, int)]
        events = iter(said(numbers))
        for turn in turns:
            if isinstance(turn, int):
                event, address = next(events)
                hub.now_ms += 37
                await publisher.publish(BROADCAST, seal(event, **address))
                await asyncio.sleep(0)
            elif turn == "mail":
                mail_everywhere(gateways)
            elif turn == "leave" and comes_and_goes.listener is not None:
                comes_and_goes.leave(gateways[at])
            elif turn in ("join", "elsewhere") and comes_and_goes.listener is None:
                at = (at + (turn == "elsewhere")) % 2
                mail_everywhere(gateways)
                assert await comes_and_goes.join(gateways[at])
        await asyncio.sleep(0)
        mail_everywhere(gateways)
        if comes_and_goes.listener is None:
            assert await comes_and_goes.join(gateways[at])
        for person in (stayed, comes_and_goes):
            person.read()
        assert comes_and_goes.lasting() == stayed.lasting()
        assert comes_and_goes.left_out() == stayed.left_out()

    asyncio.run(run())


def mail_everywhere(gateways: list[Rooms]) -> None:
    for rooms in gateways:
        for opened in rooms._opened.values():
            for mailing in opened.room.mail(0.0):
                while mailing.pass_on(256):
                    pass


async def test_numbers_that_cannot_be_right_get_a_fresh_snapshot() -> None:
    hub = MemoryHub()
    rooms = make_rooms(hub, FakeBroadcasts(), EmptyStores())
    await rooms.enter(BROADCAST, VIEWER)
    await MemoryBroker(hub).publish(BROADCAST, seal(CardPulled("pr_1", "x")))
    await asyncio.sleep(0)
    mail_everywhere([rooms])
    for nonsense in (Position("e0", -1), Position("e0", 7), Position("other", 0), Position("e0", 2**70)):
        entrance = await rooms.enter(BROADCAST, VIEWER, nonsense)
        assert recovered_events(entrance, "ac_a", False) is None
    entrance = await rooms.enter(BROADCAST, VIEWER, Position("e0", 0))
    assert recovered_events(entrance, "ac_a", False) is not None


async def test_a_lost_stream_is_a_new_epoch_and_nobody_of_the_old_one_is_told_that_all_is_well() -> None:
    hub = MemoryHub()
    rooms = make_rooms(hub, FakeBroadcasts(), EmptyStores())
    person, publisher = Person(), MemoryBroker(hub)
    running = asyncio.create_task(rooms.run())
    await person.join(rooms)
    assert person.listener is not None
    for number in range(3):
        await publisher.publish(BROADCAST, seal(CardPulled(f"pr_{number}", "x")))
    hub.lose(BROADCAST)
    await publisher.publish(BROADCAST, seal(CardPulled("pr_new", "x")))
    async with asyncio.timeout(10):
        while person.reached is None or person.reached.epoch != "e1":
            person.read()
            await asyncio.sleep(0.01)
    assert any(event.get("lost") for event in person.told)
    entrance = await rooms.enter(BROADCAST, VIEWER, Position("e0", 3))
    assert recovered_events(entrance, "ac_a", False) is None
    running.cancel()
    await asyncio.wait([running])


async def test_a_comment_that_mended_one_gateways_loss_has_its_place_in_the_order_there_too() -> None:
    hub, late = MemoryHub(), posted("cm_late")
    mended, other = (make_rooms(hub, FakeBroadcasts(), EmptyStores(*kept)) for kept in ((late,), ()))
    person, publisher = Person(), MemoryBroker(hub)
    running = [asyncio.create_task(rooms.run()) for rooms in (mended, other)]
    await mended.enter(BROADCAST, VIEWER)
    await person.join(other)
    hub.lose(BROADCAST)
    await publisher.publish(BROADCAST, seal(CardPulled("pr_new", "x")))
    async with asyncio.timeout(10):
        while person.reached is None or person.reached.epoch != "e1" or mended._opened[BROADCAST].feed.broken:
            person.read()
            await asyncio.sleep(0.01)
    assert ("comment", "cm_late") not in person.lasting()
    person.leave(other)
    await publisher.publish(BROADCAST, seal(event_of(late)))  # it was stored, and its sender had no answer
    async with asyncio.timeout(10):
        while (opened := mended._opened[BROADCAST]).room.mailed.offset < 2:
            await opened.mailed.wait()
    assert await person.join(mended)
    assert person.lasting().count(("comment", "cm_late")) == 1
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def test_a_comment_that_comes_while_a_loss_is_mended_is_told_at_its_place_too() -> None:
    hub = MemoryHub()
    publisher, late = MemoryBroker(hub), posted("cm_late")

    class Talking(EmptyStores):
        async def recent(self, *_: object, **__: object) -> list[Comment]:
            if hub.rooms[BROADCAST].epoch == "e0":
                return []
            await publisher.publish(BROADCAST, seal(event_of(late)))
            await asyncio.sleep(0)  # stored, published and delivered before this is read
            return [posted("cm_before"), late]

    rooms, person = make_rooms(hub, FakeBroadcasts(), Talking()), Person()
    running = asyncio.create_task(rooms.run())
    await person.join(rooms)
    hub.lose(BROADCAST)
    await publisher.publish(BROADCAST, seal(CardPulled("pr_new", "x")))
    async with asyncio.timeout(15):
        while person.reached != Position("e1", 2):
            await asyncio.sleep(0.01)
            person.read()
    comments = [told for told in person.lasting() if told[0] == "comment"]
    assert comments == [("comment", "cm_late")]
    restored = next(event["snapshot"] for event in person.told if event["type"] == "snapshot")
    assert [comment["comment_id"] for comment in restored["comments"]] == ["cm_before", "cm_late"]
    running.cancel()
    await asyncio.wait([running])


async def test_a_hole_is_filled_while_the_stores_are_away_and_the_state_is_told_when_they_are_back() -> None:
    class Away(EmptyStores):
        away = False

        async def recent(self, *_: object, **__: object) -> list[Comment]:
            if self.away:
                raise Unavailable("Postgres is away")
            return []

    hub, stores, broadcasts = MemoryHub(), Away(), FakeBroadcasts()
    rooms, person, publisher = make_rooms(hub, broadcasts, stores), Person(), MemoryBroker(hub)
    running = asyncio.create_task(rooms.run())
    await person.join(rooms)
    stores.away = True
    subscribers = hub.rooms[BROADCAST].subscribers
    kept = dict(subscribers)
    subscribers.clear()
    await publisher.publish(BROADCAST, seal(CardPulled("pr_lost", "x")))
    broadcasts.states[BROADCAST] = "paused"  # nobody could be told
    subscribers.update(kept)
    await publisher.publish(BROADCAST, seal(CardPulled("pr_next", "x")))
    async with asyncio.timeout(15):
        while len(person.lasting()) < 2:
            await asyncio.sleep(0.01)
            person.read()
    await publisher.publish(BROADCAST, seal(CardPulled("pr_later", "x")))
    async with asyncio.timeout(15):
        while len(person.lasting()) < 3:
            await asyncio.sleep(0.01)
            person.read()
    assert person.lasting() == [("card_pulled", name) for name in ("pr_lost", "pr_next", "pr_later")]
    assert not [event for event in person.told if event["type"] == "state" or event.get("lost")]
    stores.away = False
    async with asyncio.timeout(15):
        while not [event for event in person.told if event["type"] == "state"]:
            await asyncio.sleep(0.01)
            person.read()
    assert [event["state"] for event in person.told if event["type"] == "state"] == ["paused"]
    running.cancel()
    await asyncio.wait([running])


async def test_one_who_missed_more_than_anyone_reads_gets_a_snapshot() -> None:
    hub = MemoryHub()
    rooms = make_rooms(hub, FakeBroadcasts(), EmptyStores())
    await rooms.enter(BROADCAST, VIEWER)
    for number in range(MOST_EVENTS + 1):
        await MemoryBroker(hub).publish(BROADCAST, seal(CardPulled(f"pr_{number}", "x")))
    await asyncio.sleep(0)
    mail_everywhere([rooms])
    assert recovered_events(await rooms.enter(BROADCAST, VIEWER, Position("e0", 0)), "ac_a", False) is None
    assert recovered_events(await rooms.enter(BROADCAST, VIEWER, Position("e0", 1)), "ac_a", False) is not None


async def test_who_missed_a_mail_that_broke_off_is_given_a_fresh_snapshot() -> None:
    class Breaking(Listener):
        def offer(self, frame: SharedFrame) -> None:
            if not self.frames:
                super().offer(frame)
                raise RuntimeError("a defect in one member")
            super().offer(frame)

    hub = MemoryHub()
    rooms, person = make_rooms(hub, FakeBroadcasts(), EmptyStores(posted("cm_1"))), Person()
    publisher = MemoryBroker(hub)
    running = asyncio.create_task(rooms.run())
    breaking = Breaking("ac_breaking")
    (await rooms.enter(BROADCAST, VIEWER)).room.add(breaking)
    await person.join(rooms)
    await publisher.publish(BROADCAST, seal(CardPulled("pr_gone", "x")))
    async with asyncio.timeout(15):
        while not any(event.get("lost") for event in person.told):
            await asyncio.sleep(0.01)
            person.read()
    restored = next(event["snapshot"] for event in person.told if event["type"] == "snapshot")
    assert [comment["comment_id"] for comment in restored["comments"]] == ["cm_1"]
    assert b'"type":"snapshot"' in breaking.frames[-1]
    await publisher.publish(BROADCAST, seal(CardPulled("pr_next", "x")))
    async with asyncio.timeout(15):
        while ("card_pulled", "pr_next") not in person.lasting():
            await asyncio.sleep(0.01)
            person.read()
    running.cancel()
    await asyncio.wait([running])


async def test_one_who_returns_while_another_is_looked_up_who_had_reached_more_misses_nothing() -> None:
    go_on = asyncio.Event()

    class Slow(MemoryBroker):
        async def replay(self, broadcast_id: str, after: Position) -> Replay:
            if after.epoch:
                await go_on.wait()
            return await super().replay(broadcast_id, after)

    hub = MemoryHub()
    for number in range(8):
        await MemoryBroker(hub).publish(BROADCAST, seal(CardPulled(f"pr_{number}", "x")))
    rooms = make_rooms(hub, FakeBroadcasts(), EmptyStores(), broker=Slow(hub))
    await rooms.enter(BROADCAST, VIEWER)
    returning = [asyncio.create_task(rooms.enter(BROADCAST, VIEWER, Position("e0", reached))) for reached in (5, 2)]
    await asyncio.sleep(0.01)
    go_on.set()
    found = [recovered_events(await one, "ac_a", False) for one in returning]
    pulled = [[event for event in events or [] if b"card_pulled" in event] for events in found]
    assert [len(events) for events in pulled] == [3, 6]


async def test_however_many_return_to_a_young_room_at_once_each_gets_what_it_missed() -> None:
    go_on = asyncio.Event()

    class Slow(MemoryBroker):
        looks = 0

        async def replay(self, broadcast_id: str, after: Position) -> Replay:
            if after.epoch:
                Slow.looks += 1
                await go_on.wait()
                await asyncio.sleep(0.005)  # a store answers later, never at once
            return await super().replay(broadcast_id, after)

    hub = MemoryHub()
    for number in range(12):
        await MemoryBroker(hub).publish(BROADCAST, seal(CardPulled(f"pr_{number}", "x")))
    rooms = make_rooms(hub, FakeBroadcasts(), EmptyStores(), broker=Slow(hub))
    await rooms.enter(BROADCAST, VIEWER)
    reached = (11, 4, 9, 7, 6, 3, 1)
    returning = [asyncio.create_task(rooms.enter(BROADCAST, VIEWER, Position("e0", one))) for one in reached]
    await asyncio.sleep(0.01)
    go_on.set()
    found = [recovered_events(await one, "ac_a", False) for one in returning]
    pulled = [[event for event in events or [] if b"card_pulled" in event] for events in found]
    assert [len(events) for events in pulled] == [12 - one for one in reached]
    assert Slow.looks == 2
