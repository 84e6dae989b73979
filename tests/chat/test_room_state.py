"""A room's state under late, repeated and reordered deliveries: what is over stays over."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chat.broadcast_states import OVER
from chat.broker import Delivery, Position
from chat.coalescer import Coalescer
from chat.envelope import seal
from chat.events import Publisher, StateChanged
from chat.room import Room
from tests.chat.fakes import BROADCAST
from tests.chat.test_rooms import Listener, plain

STATES = ("scheduled", "rehearsal", "live", "paused", *sorted(OVER))
PUBLISHERS: tuple[Publisher, ...] = ("none", "flowing", "stalled")
Told = tuple[str, Publisher]


def opened() -> tuple[Room, Listener]:
    room = Room(BROADCAST, plain, Coalescer(0.0, 0.0), 0.0)
    listener = Listener()
    room.add(listener)
    return room, listener


def deliver(room: Room, listener: Listener, *said: Told) -> list[str]:
    """Deliver these, each in a mail of its own; returns the states that the listener was told, in order."""
    for offset, (state, publisher) in enumerate(said, start=1):
        sealed = seal(StateChanged(state, publisher, None))
        room.deliver(Delivery(Position("e", offset), False, sealed.data), float(offset))
        for mailing in room.mail(float(offset) + 1.0):
            while mailing.pass_on(1):
                pass
    events = [event for frame in listener.frames for event in msgspec.json.decode(frame)]
    return [event["state"] for event in events if event["type"] == "state"]


@given(
    life=st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(PUBLISHERS)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    repeats=st.integers(1, 3),
)
def test_however_news_arrives_nothing_comes_back_from_what_is_over(
    life: list[Told], order: object, repeats: int
) -> None:
    said = life * repeats
    order.shuffle(said)  # type: ignore[attr-defined]
    room, listener = opened()
    told = deliver(room, listener, *said)
    ends = [number for number, state in enumerate(told) if state in OVER]
    assert room.over is any(state in OVER for state, _ in said)
    if ends:
        assert all(state in OVER for state in told[ends[0] :])
    assert told[-1] == room.state


def test_a_stale_live_after_the_cut_reaches_nobody() -> None:
    room, listener = opened()
    told = deliver(room, listener, ("live", "flowing"), ("terminated", "none"), ("live", "flowing"), ("live", "none"))
    assert told == ["live", "terminated"]
    assert room.over


def test_a_stale_snapshot_does_not_open_what_is_over() -> None:
    room, listener = opened()
    deliver(room, listener, ("ended", "none"))
    room.learn_state("live", "flowing")
    assert (room.state, room.publisher) == ("ended", "none")
    room.learn_state("replay_review", "none")
    assert room.state == "replay_review"


def test_before_the_end_the_newest_news_counts() -> None:
    room, listener = opened()
    assert deliver(room, listener, ("live", "flowing"), ("paused", "stalled"), ("live", "flowing")) == [
        "live",
        "paused",
        "live",
    ]
    assert (room.state, room.publisher) == ("live", "flowing")
