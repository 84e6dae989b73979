"""The wire format: what goes in comes out, and nothing that comes in breaks it."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import commands, connection_events, events
from chat.codec import decode_client_frame, decode_server_frame, encode, encode_event, join_events
from chat.envelope import seal, unseal
from chat.errors import FrameRefused

message_ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
comment_ids = st.from_regex(r"cm_[0-9a-z_]{1,40}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
client_frames = st.one_of(
    st.builds(
        commands.Hello,
        token=texts.filter(bool),
        broadcast_id=st.from_regex(r"bc_[0-9a-z_]{1,40}", fullmatch=True),
        client_id=message_ids,
        epoch=st.none() | st.text("0123456789abcdef", max_size=64),
        offset=st.none() | st.integers(-(2**63), 2**63 - 1),
    ),
    st.builds(commands.RefreshAuth, token=texts.filter(bool)),
    st.builds(commands.PostComment, id=message_ids, text=texts, kind=st.sampled_from(["comment", "question"])),
    st.builds(commands.Like, count=st.integers(0, 100_000)),
    st.builds(commands.Tip, id=message_ids, points=st.integers(1, 1_000_000_000)),
    st.builds(commands.Pin, id=message_ids, comment_id=comment_ids | st.none()),
    st.builds(
        commands.Remove,
        id=message_ids,
        comment_id=comment_ids,
        reason=texts.filter(lambda text: text and "\x00" not in text),
    ),
)
authors = st.builds(events.Author, account_id=texts, nickname=texts, role=texts)
comments = st.builds(
    events.CommentPosted,
    comment_id=texts,
    kind=st.sampled_from(["comment", "question"]),
    author=authors,
    text=texts,
    at_ms=st.integers(0, 2**53),
    stream_time_ms=st.integers(0, 2**53) | st.none(),
    verdict=st.sampled_from(["hold", msgspec.UNSET]),
)
room_events = st.one_of(
    comments,
    st.builds(events.LikesCounted, total=st.integers(0, 2**53)),
    st.builds(
        events.CardShown, card=st.dictionaries(texts, texts), shown_at_ms=st.integers(), stream_time_ms=st.none()
    ).filter(lambda event: abs(event.shown_at_ms) < 2**63),
    st.builds(events.StateChanged, state=texts, publisher=st.just("none"), stream_time_ms=st.none()),
)


@given(client_frames)
def test_every_client_frame_survives_the_wire(frame: commands.ClientFrame) -> None:
    assert decode_client_frame(encode(frame).decode()) == frame


@given(st.lists(room_events, max_size=5))
def test_every_server_frame_is_an_array_that_survives_the_wire(sent: list[events.RoomEvent]) -> None:
    assert decode_server_frame(join_events(map(encode_event, sent))) == sent


@pytest.mark.parametrize(
    "found", [connection_events.Snapshot({}, "live", "flowing", 1, None, None, [], 3, 2, True), None]
)
def test_a_welcome_survives_the_wire_with_its_snapshot_and_without(found: connection_events.Snapshot | None) -> None:
    you, limits = connection_events.You("ac_a", "小明", "viewer"), connection_events.Limits(200, 10)
    raw = msgspec.Raw(encode(found)) if found else connection_events.NO_SNAPSHOT
    sent = connection_events.Welcome("c", 1, 10.0, 500, you, limits, None, "e", 7, found is None, raw)
    (told,) = decode_server_frame(join_events([encode_event(sent)]))
    assert isinstance(told, connection_events.Welcome)
    assert told == sent
    assert connection_events.snapshot_of(told) == found


@given(room_events)
def test_an_envelope_carries_the_events_bytes_unchanged(event: events.RoomEvent) -> None:
    if isinstance(event, events.CardShown):
        event = events.CardShown(event.card | {"product_id": "pr_1"}, event.shown_at_ms, event.stream_time_ms)
    envelope, headline = unseal(seal(event, audience="staff").data)
    assert bytes(envelope.event) == encode_event(event)
    assert headline.type == type(event).__struct_config__.tag


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.recursive(st.none(), st.lists).map(str)))
def test_arbitrary_input_is_refused_or_decoded_and_nothing_else(data: str | bytes) -> None:
    with contextlib.suppress(FrameRefused):
        decode_client_frame(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"type":"like","count":1}', "binary_frame"),
        ("", "malformed_json"),
        ("[" * 100_000, "invalid_field"),
        ('{"type":"like","count":1,"deep":' + "[" * 100_000, "malformed_json"),
        ('{"type":"comment","id":"a","text":"\\udfff"}', "malformed_json"),
        ('{"type":"comment","id":"a","text":"\ud800"}', "malformed_json"),
        ('{"type":"like","count":' + "9" * 5_000 + "}", "invalid_field"),
        ('{"type":"like","count":NaN}', "malformed_json"),
        ('{"type":"like","count":true}', "invalid_field"),
        ('{"type":"like","count":100001}', "invalid_field"),
        ('{"type":"hello","token":"t","broadcast_id":"bc_a\\n","client_id":"c"}', "invalid_field"),
        ('{"type":"hello","token":"t","broadcast_id":"pr_a","client_id":"c"}', "invalid_field"),
        ('{"count":1}', "unknown_type"),
        ('{"type":null}', "unknown_type"),
    ],
)
def test_hostile_frames_have_a_stable_code(data: str | bytes, code: str) -> None:
    with pytest.raises(FrameRefused) as refusal:
        decode_client_frame(data)
    assert refusal.value.code == code
    assert len(refusal.value.message) <= 200


@pytest.mark.parametrize(
    ("data", "message_id"),
    [
        ('{"type":"poll.open","id":"m-1","question":"?","options":["one"]}', "m-1"),
        ('{"type":"tip","id":"m-1","points":1000000000000}', "m-1"),
        ('{"type":"vote","id":"m-1","poll_id":"pl_1","choice":9}', "m-1"),
        ('{"type":"report","id":"m-1","comment_id":null,"reason":"' + "x" * 201 + '"}', "m-1"),
        ('{"type":"dance","id":"m-1"}', "m-1"),
        ('{"id":"m-1"}', "m-1"),
        ('{"type":"tip","points":1}', None),
        ('{"type":"tip","id":7,"points":1}', None),
        ('{"type":"tip","id":"a b","points":1}', None),
        ('{"type":"tip","id":"' + "x" * 65 + '","points":1}', None),
        ('["m-1"]', None),
        ('{"id":"m-1"', None),
        (b'{"id":"m-1"}', None),
    ],
)
def test_a_refused_frame_is_named_by_its_id_where_it_has_a_good_one(data: str | bytes, message_id: str | None) -> None:
    with pytest.raises(FrameRefused) as refusal:
        decode_client_frame(data)
    assert refusal.value.message_id == message_id


def test_fields_that_are_not_known_are_ignored() -> None:
    assert decode_client_frame('{"type":"like","count":1,"later":{"a":[1]}}') == commands.Like(1)
