"""When a room speaks, and what gives way when a viewer does not keep up."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from chat.arrival import Arrival
from chat.coalescer import Coalescer
from chat.connection_events import PositionReached
from chat.envelope import envelop, unseal_headline
from chat.events import Author, CardPulled, CommentPosted, PollCounted, QuotaChanged, RoomEvent
from chat.importance import IMPORTANCE, Importance, importance_of
from chat.outbox import Outbox
from chat.shared_frame import MUST_ONLY, WITHOUT_MAY, SharedFrame
from tests.chat.test_rooms import plain


def arrival(event: RoomEvent, place: int = 1) -> Arrival:
    envelope = envelop(event)
    return Arrival(place, envelope, unseal_headline(envelope))


def comment(number: int, role: str = "viewer") -> CommentPosted:
    return CommentPosted(f"cm_{number}", "comment", Author("ac_a", "小明", role), "hi", 1, None)


def test_the_first_event_goes_at_once_and_what_follows_within_a_tick_goes_together() -> None:
    coalescer = Coalescer(0.1)
    assert coalescer.due_s() is None
    coalescer.add(arrival(comment(1)))
    assert (coalescer.due_s() or 0.0) <= 5.0
    assert len(coalescer.take(5.0).arrivals) == 1
    for number in range(2, 6):
        coalescer.add(arrival(comment(number)))
    assert coalescer.due_s() == 5.1
    assert [one.headline.comment_id for one in coalescer.take(5.1).arrivals] == ["cm_2", "cm_3", "cm_4", "cm_5"]
    assert coalescer.due_s() is None


def test_a_batch_that_is_full_does_not_wait_for_its_tick() -> None:
    coalescer = Coalescer(0.1)
    coalescer.take(5.0)
    coalescer.add(arrival(CardPulled("pr_1", "r" * 40_000)))
    assert coalescer.due_s() == 5.0


def test_of_a_total_only_the_newest_value_is_told() -> None:
    coalescer = Coalescer(0.1)
    for left in (9, 8, 7):
        coalescer.add(arrival(QuotaChanged("pr_1", left, 10, "CNY")))
        coalescer.add(arrival(QuotaChanged("pr_2", left, 10, "CNY")))
        coalescer.add(arrival(PollCounted("pl_1", [left, 0])))
        coalescer.add(arrival(PollCounted("pl_2", [0, left])))
    told = [json.decode(total.envelope.event) for total in coalescer.take(0.0).totals.values()]
    assert [one["left_minor"] for one in told if one["type"] == "quota"] == [7, 7]
    assert [one["votes"] for one in told if one["type"] == "poll_tally"] == [[7, 0], [0, 7]]


def test_a_room_whose_fan_out_takes_long_speaks_less_often_and_recovers() -> None:
    coalescer = Coalescer(0.1, slowest_s=1.0)
    for took_s, pause_s in ((0.01, 0.1), (0.2, 0.4), (7.0, 1.0), (0.0, 0.1)):
        coalescer.spent(took_s)
        assert coalescer.pause_s == pause_s


def test_what_people_write_may_be_left_out_and_what_the_host_answers_only_last() -> None:
    assert importance_of("comment", "viewer") == "may"
    assert importance_of("comment", "host") == "should"
    assert importance_of("tip") == "should"
    for event_type in ("card_shown", "card_pulled", "comment_removed", "state", "order", "something_new"):
        assert importance_of(event_type) == "must"


def test_every_event_type_of_the_table_exists() -> None:
    tags = {event.__struct_config__.tag for event in RoomEvent.__args__}
    assert set(IMPORTANCE) <= tags


def test_a_frame_without_what_may_be_left_out_says_how_many_were_shed() -> None:
    events: list[tuple[Importance, bytes]] = [
        ("may", b'{"n":1}'),
        ("must", b'{"n":2}'),
        ("should", b'{"n":3}'),
        ("total", b'{"n":4}'),
    ]
    frame = SharedFrame(events, plain, PositionReached("e", 9))
    numbers = [[event.get("n") for event in json.decode(frame.form(level).data)] for level in (0, 1, 2)]
    assert numbers == [[1, 2, 3, 4, None], [2, 3, 4, None], [2, 4, None]]
    assert "shed" not in json.decode(frame.whole)[-1]
    assert json.decode(frame.form(MUST_ONLY).data)[-1]["shed"] == 2
    assert frame.form(WITHOUT_MAY) is frame.form(WITHOUT_MAY)


def test_an_outbox_sheds_comments_then_tips_and_refuses_only_when_musts_do_not_fit() -> None:
    def frame(importance: Importance) -> SharedFrame:
        return SharedFrame([(importance, b"x" * 40)], plain)

    outbox = Outbox(130)
    assert all(outbox.put(frame(importance)) for importance in ("may", "should", "must"))
    assert (outbox.shed_may, outbox.shed_should) == (0, 0)
    assert outbox.put(frame("must"))
    assert (outbox.shed_may, outbox.shed_should) == (1, 0)
    assert outbox.put(frame("must"))
    assert (outbox.shed_may, outbox.shed_should) == (1, 1)
    assert outbox.put(frame("may"))
    assert (outbox.shed_may, outbox.shed_should) == (2, 1)
    assert not outbox.put(frame("must"))


_frames = st.lists(st.sampled_from(["must", "should", "may", "total"]), max_size=6)


@given(st.lists(st.tuples(_frames, st.integers(0, 2)), max_size=60))
def test_what_an_outbox_took_is_delivered_in_order_or_counted_as_shed(
    turns: list[tuple[list[Importance], int]],
) -> None:
    outbox, sent, delivered, number = Outbox(300), [], [], 0
    for importances, takes in turns:
        events = []
        for importance in importances:
            number += 1
            events.append((importance, b'{"n":%d}' % number))
            sent.append((importance, number))
        frame = SharedFrame(events, plain, PositionReached("e", number))
        fits = outbox.put(frame)
        assert fits is (outbox.size_bytes <= 300)
        if not fits:
            return  # the connection ends here
        for _ in range(takes):
            delivered += json.decode(outbox.take() or b"[]")
    while (data := outbox.take()) is not None:
        delivered += json.decode(data)
    numbers = [event["n"] for event in delivered if "n" in event]
    assert numbers == sorted(set(numbers))
    missing = Counter(importance for importance, n in sent if n not in numbers)
    assert missing == Counter(may=outbox.shed_may, should=outbox.shed_should)
    assert sum(event.get("shed", 0) for event in delivered) == outbox.shed_may + outbox.shed_should
