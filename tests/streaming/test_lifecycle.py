"""A broadcast's life: every cell of the table, maker-checker, readiness."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.lifecycle import (
    MOVES,
    IllegalMove,
    LifecycleError,
    NotReady,
    NotYours,
    Person,
    State,
    allowed_moves,
    decide,
    readiness,
)
from streaming.stream_clock import stream_time_ms

ROLES = ("viewer", "host", "guest", "monitor", "checker", "operator")
HOST = Person("ac_host", "林晓", "RM0123", "LIC-1", date(2027, 12, 31))
MONITOR = Person("ac_monitor", "周敏")
TODAY = date(2026, 11, 23)
ACTORS = {"host": "ac_host", "monitor": "ac_monitor", "checker": "ac_checker"}


def move(state: State, name: str, role: str, *, actor: str | None = None) -> State:
    return decide(
        state,
        name,
        actor_id=actor or ACTORS.get(role, "ac_other"),
        role=role,
        maker_id="ac_host",
        host_id="ac_host",
        monitor_id="ac_monitor",
        missing=[],
    )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(MOVES))
@pytest.mark.parametrize("state", list(State))
def test_every_cell_moves_where_the_table_says_or_is_refused_with_what_is_allowed(
    state: State, name: str, role: str
) -> None:
    row = MOVES[name]
    if role not in row.roles:
        with pytest.raises(NotYours):
            move(state, name, role)
    elif state not in row.sources:
        with pytest.raises(IllegalMove) as refused:
            move(state, name, role)
        assert refused.value.state is state
        assert refused.value.allowed == allowed_moves(state, role)
        assert name not in refused.value.allowed
    else:
        assert move(state, name, role) is row.target


def test_the_whole_road_from_draft_to_archive() -> None:
    state = State.DRAFT
    road = [
        ("submit", "host"),
        ("approve", "checker"),
        ("schedule", "host"),
        ("rehearse", "host"),
        ("go_live", "host"),
        ("pause", "monitor"),
        ("resume", "host"),
        ("end", "host"),
        ("review_replay", "host"),
        ("publish_replay", "checker"),
        ("archive", "host"),
    ]
    for name, role in road:
        state = move(state, name, role)
    assert state is State.ARCHIVED


def test_who_made_it_never_approves_it() -> None:
    with pytest.raises(NotYours):
        decide(
            State.IN_REVIEW,
            "approve",
            actor_id="ac_both",
            role="checker",
            maker_id="ac_both",
            host_id="ac_host",
            monitor_id=None,
            missing=[],
        )


def test_only_the_assigned_monitor_terminates() -> None:
    with pytest.raises(NotYours):
        move(State.LIVE, "terminate", "monitor", actor="ac_another_monitor")


def test_another_host_moves_nothing() -> None:
    with pytest.raises(NotYours):
        move(State.LIVE, "end", "host", actor="ac_another_host")


def test_an_unknown_move_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(IllegalMove) as refused:
        move(State.LIVE, "explode", "host")
    assert refused.value.allowed == ["end", "pause"]


def test_going_live_with_a_monitor_missing_says_who_must_do_what() -> None:
    missing = readiness(HOST, MONITOR, monitor_present=False, today=TODAY)
    with pytest.raises(NotReady) as refused:
        decide(
            State.APPROVED,
            "go_live",
            actor_id="ac_host",
            role="host",
            maker_id="ac_host",
            host_id="ac_host",
            monitor_id="ac_monitor",
            missing=missing,
        )
    assert [(item.code, item.who) for item in refused.value.missing] == [("monitor_absent", "周敏")]


@pytest.mark.parametrize(
    ("host", "monitor", "present", "codes"),
    [
        (HOST, MONITOR, True, []),
        (HOST, None, True, ["monitor_unassigned"]),
        (replace(HOST, licence_no=None), MONITOR, True, ["host_licence_missing"]),
        (replace(HOST, employee_no=None), MONITOR, True, ["host_licence_missing"]),
        (replace(HOST, licence_expires_on=date(2026, 11, 22)), MONITOR, True, ["host_licence_expired"]),
        (replace(HOST, licence_expires_on=TODAY), MONITOR, True, []),
        (replace(HOST, licence_no=None), None, False, ["host_licence_missing", "monitor_unassigned"]),
    ],
)
def test_readiness_lists_all_that_is_missing(
    host: Person, monitor: Person | None, present: bool, codes: list[str]
) -> None:
    found = readiness(host, monitor, monitor_present=present, today=TODAY)
    assert [item.code for item in found] == codes
    assert all(item.who and item.what_to_do for item in found)


@given(st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.sampled_from(ROLES)), max_size=30))
def test_no_sequence_of_moves_comes_back_from_the_archive_or_on_air_without_approval(
    steps: list[tuple[str, str]],
) -> None:
    state, approved = State.DRAFT, False
    for name, role in steps:
        try:
            after = move(state, name, role)
        except LifecycleError:
            continue
        assert state is not State.ARCHIVED
        approved = name == "approve" or (approved and after is not State.DRAFT)
        if after in (State.LIVE, State.REHEARSAL, State.SCHEDULED):
            assert approved
        state = after


def test_stream_time_counts_from_the_first_packet_and_never_below_zero() -> None:
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert stream_time_ms(None, start) is None
    assert stream_time_ms(start, start + timedelta(seconds=1.2345)) == 1234
    assert stream_time_ms(start, start - timedelta(seconds=5)) == 0
