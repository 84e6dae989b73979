"""The session's state machine, time driven by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.close_codes import CloseCode
from chat.codec import encode
from chat.commands import Hello, Like, PostComment, Tip
from chat.errors import ChatError
from chat.permissions import Standing
from chat.ports import Principal
from chat.rate_limit import AccountBuckets, Rate
from chat.session import Authenticate, Dismiss, Effect, Execute, Join, Say, Session, SessionLimits

VIEWER = Principal("ac_a", "viewer", "小明", 0.0)
LIVE = Standing("viewer", moderates=False, state="live", tips_enabled=True)
HELLO = encode(Hello("t", "bc_show", "phone")).decode()
COMMENT = encode(PostComment("m", "hi")).decode()


def begun(now_s: float = 0.0, limits: SessionLimits | None = None, buckets: AccountBuckets | None = None) -> Session:
    limits = limits or SessionLimits()
    return Session(limits, AccountBuckets(limits.comments) if buckets is None else buckets, now_s)


def joined(expires_in_s: float = 3_600.0, **kwargs: object) -> Session:
    session = begun(**kwargs)  # type: ignore[arg-type]
    session.receive(HELLO, 0.0, None)
    session.authenticated(VIEWER, expires_in_s, 0.0)
    session.joined()
    return session


def codes(effects: list[Effect]) -> list[str]:
    return [effect.event.code for effect in effects if isinstance(effect, Say)]


def ending(effects: list[Effect]) -> CloseCode | None:
    return next((effect.close_code for effect in effects if isinstance(effect, Dismiss)), None)


def test_hello_is_authenticated_then_joined() -> None:
    session = begun()
    assert session.receive(HELLO, 0.0, None) == [Authenticate("t")]
    assert session.authenticated(VIEWER, 60.0, 0.0) == [Join("bc_show", "phone", VIEWER)]
    session.joined()
    assert session.receive(COMMENT, 1.0, LIVE) == [Execute(PostComment("m", "hi"))]


def test_silence_ends_at_the_hello_deadline_and_not_before() -> None:
    session = begun(now_s=100.0)
    assert session.deadline_s == 105.0
    assert session.tick(104.9) == []
    assert ending(session.tick(105.0)) is CloseCode.HELLO_TIMEOUT


def test_expiry_is_warned_of_and_then_ends() -> None:
    session = joined(expires_in_s=300.0)
    assert session.deadline_s == 240.0
    assert codes(session.tick(240.0)) == ["token_expiring"]
    assert session.tick(241.0) == []
    assert ending(session.tick(300.0)) is CloseCode.TOKEN_EXPIRED
    assert session.receive(COMMENT, 300.0, LIVE) == []


def test_a_refresh_moves_the_expiry() -> None:
    session = joined(expires_in_s=300.0)
    assert session.receive('{"type":"auth.refresh","token":"t2"}', 200.0, LIVE) == [Authenticate("t2")]
    assert session.authenticated(VIEWER, 300.0, 200.0) == []
    assert session.deadline_s == 440.0
    assert session.tick(300.0) == []


def test_a_refresh_that_nobody_can_check_now_costs_nothing_until_the_old_token_ends() -> None:
    session = joined(expires_in_s=300.0)
    for at_s in (200.0, 210.0, 220.0, 230.0):
        session.receive('{"type":"auth.refresh","token":"t2"}', at_s, LIVE)
        assert codes(session.authentication_unavailable()) == ["unavailable"]
    assert codes(session.tick(240.0)) == ["token_expiring"]
    assert ending(session.tick(300.0)) is CloseCode.TOKEN_EXPIRED


def test_a_hello_that_nobody_can_check_now_ends_with_a_time_to_come_back() -> None:
    session = begun()
    session.receive(HELLO, 0.0, None)
    assert ending(session.authentication_unavailable()) is CloseCode.INTERNAL


@pytest.mark.parametrize(
    "other",
    [replace(VIEWER, account_id="ac_b"), replace(VIEWER, role="monitor"), replace(VIEWER, broadcast_id="bc_other")],
)
def test_a_refresh_by_another_or_for_another_is_refused(other: Principal) -> None:
    session = joined()
    session.receive('{"type":"auth.refresh","token":"t2"}', 1.0, LIVE)
    assert codes(session.authenticated(other, 300.0, 1.0)) == ["token_refused"]
    assert session.principal == VIEWER


def test_a_token_that_expired_on_the_way_is_expired() -> None:
    session = begun()
    session.receive(HELLO, 0.0, None)
    assert ending(session.authenticated(VIEWER, 0.0, 0.0)) is CloseCode.TOKEN_EXPIRED


def test_a_second_hello_is_a_violation() -> None:
    assert codes(joined().receive(HELLO, 1.0, LIVE)) == ["already_joined"]


def test_frames_between_hello_and_welcome_end_the_connection() -> None:
    session = begun()
    session.receive(HELLO, 0.0, None)
    assert ending(session.receive(COMMENT, 0.0, None)) is CloseCode.PROTOCOL_VIOLATION


def test_violations_are_told_then_end_the_connection() -> None:
    session = joined(limits=SessionLimits(violations=Rate(2, 0.1)))
    assert codes(session.receive("{", 0.0, LIVE)) == ["malformed_json"]
    assert codes(session.receive("{", 0.0, LIVE)) == ["malformed_json"]
    assert ending(session.receive("{", 0.0, LIVE)) is CloseCode.PROTOCOL_VIOLATION


def test_a_frame_with_a_bad_field_is_answered_with_its_id() -> None:
    (say,) = joined().receive('{"type":"vote","id":"m","poll_id":"pl_1","choice":9}', 0.0, LIVE)
    assert isinstance(say, Say)
    assert (say.event.code, say.event.id) == ("invalid_field", "m")


def test_a_client_that_is_newer_than_its_gateway_is_refused_and_never_shown_out_for_good() -> None:
    session = joined(limits=SessionLimits(violations=Rate(2, 0.1), refusals=Rate(20, 0.5)))
    for number in range(20):
        (say,) = session.receive(f'{{"type":"wave","id":"m{number}"}}', 0.0, LIVE)
        assert isinstance(say, Say)
        assert (say.event.code, say.event.id) == ("unknown_type", f"m{number}")
    assert ending(session.receive('{"type":"wave","id":"m"}', 0.0, LIVE)) is CloseCode.RATE_LIMITED


def test_an_unknown_type_before_the_welcome_ends_the_connection() -> None:
    assert ending(begun().receive('{"type":"wave","id":"m"}', 0.0, None)) is CloseCode.PROTOCOL_VIOLATION


def test_violations_far_apart_are_forgiven() -> None:
    session = joined(limits=SessionLimits(violations=Rate(1, 0.1)), expires_in_s=10_000.0)
    for second in range(0, 1_000, 11):
        assert ending(session.receive("{", float(second), LIVE)) is None


def test_one_accounts_connections_share_its_limit() -> None:
    buckets = AccountBuckets(SessionLimits().comments)
    sessions = [joined(buckets=buckets) for _ in range(3)]
    taken = [session.receive(COMMENT, 0.0, LIVE) for session in sessions for _ in range(5)]
    assert sum(isinstance(effects[0], Execute) for effects in taken) == 10


def test_likes_are_not_held_to_the_comment_rate() -> None:
    session = joined()
    frames = [encode(Like(count)).decode() for count in range(40)]
    assert all(isinstance(session.receive(frame, 0.0, LIVE)[0], Execute) for frame in frames)


def test_a_failed_command_is_answered_with_its_id() -> None:
    (say,) = joined().failed(ChatError("unavailable", "later", 2_000), "m", 0.0)
    assert isinstance(say, Say)
    assert (say.event.code, say.event.id, say.event.retry_after_ms) == ("unavailable", "m", 2_000)


@pytest.mark.parametrize(
    ("state", "role", "code"),
    [
        ("live", "viewer", None),
        ("paused", "guest", None),
        ("rehearsal", "host", None),
        ("rehearsal", "viewer", "not_open"),
        ("scheduled", "viewer", "not_open"),
        ("ended", "monitor", "not_open"),
        ("live", "checker", "forbidden"),
        ("live", "operator", "forbidden"),
    ],
)
def test_who_may_comment_when(state: str, role: str, code: str | None) -> None:
    effects = joined().receive(COMMENT, 0.0, Standing(role, moderates=False, state=state, tips_enabled=True))
    assert codes(effects) == ([code] if code else [])


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (LIVE, None),
        (replace(LIVE, state="paused"), "not_open"),
        (replace(LIVE, tips_enabled=False), "tips_disabled"),
        (replace(LIVE, role="host"), "forbidden"),
    ],
)
def test_who_may_tip_when(standing: Standing, code: str | None) -> None:
    assert codes(joined().receive(encode(Tip("t", 1)).decode(), 0.0, standing)) == ([code] if code else [])


@given(
    st.lists(st.one_of(st.text(max_size=60), st.binary(max_size=60), st.sampled_from([HELLO, COMMENT])), max_size=40)
)
def test_arbitrary_frames_never_crash_a_session(frames: list[str | bytes]) -> None:
    session, closed = begun(), False
    for number, frame in enumerate(frames):
        effects = session.receive(frame, number / 10, LIVE)
        assert not (closed and effects)
        for effect in effects:
            if isinstance(effect, Authenticate):
                session.authenticated(VIEWER, 60.0, number / 10)
                session.joined()
            closed = closed or isinstance(effect, Dismiss)
