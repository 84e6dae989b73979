"""Every cell of the room's table: each command, each role, in each state that matters."""

import typing
from typing import Any

import pytest

from chat import commands
from chat.errors import CommandRefused
from chat.permissions import Standing, check

ROLES = ("viewer", "host", "other_host", "guest", "monitor", "checker", "operator")
EVERYONE = frozenset(ROLES)
VIEWER = frozenset({"viewer"})
HOST = frozenset({"host"})
MONITOR = frozenset({"monitor"})
# Who may give the command in a live broadcast; `host` is this broadcast's, `other_host` is another's.
MAY: dict[Any, frozenset[str]] = {
    commands.PostComment: frozenset({"viewer", "host", "other_host", "guest", "monitor"}),
    commands.Like: VIEWER,
    commands.Visibility: EVERYONE,
    commands.Tip: VIEWER,
    commands.Pin: HOST | MONITOR,
    commands.Remove: MONITOR,
    commands.Release: MONITOR,
    commands.Mute: MONITOR,
    commands.Ban: MONITOR,
    commands.SetRules: MONITOR,
    commands.Report: VIEWER,
    commands.PickQuestion: HOST | MONITOR,
    commands.Answer: HOST,
    commands.Announce: HOST | MONITOR,
    commands.OpenPoll: HOST,
    commands.ClosePoll: HOST,
    commands.Vote: VIEWER,
}
SAMPLES: dict[Any, commands.Command] = {
    commands.PostComment: commands.PostComment("m", "x"),
    commands.Like: commands.Like(1),
    commands.Visibility: commands.Visibility(hidden=True),
    commands.Tip: commands.Tip("m", 1),
    commands.Pin: commands.Pin("m", None),
    commands.Remove: commands.Remove("m", "cm_1", "x"),
    commands.Release: commands.Release("m", "cm_1", "x"),
    commands.Mute: commands.Mute("m", "ac_1", 1, "x"),
    commands.Ban: commands.Ban("m", "ac_1", "x"),
    commands.SetRules: commands.SetRules("m", muted_all=False, slow_s=0, reason="x"),
    commands.Report: commands.Report("m", None, "x"),
    commands.PickQuestion: commands.PickQuestion("m", "cm_1"),
    commands.Answer: commands.Answer("m", None, "x"),
    commands.Announce: commands.Announce("m", "x"),
    commands.OpenPoll: commands.OpenPoll("m", "x", ["a", "b"]),
    commands.ClosePoll: commands.ClosePoll("m", "po_1"),
    commands.Vote: commands.Vote("m", "po_1", 0),
}


def refusal(command: commands.Command, who: str, state: str) -> str | None:
    role = "host" if who == "other_host" else who
    try:
        check(command, Standing(role, who in ("host", "monitor"), state, True))
    except CommandRefused as refused:
        return refused.code
    return None


def test_every_command_is_in_the_table() -> None:
    assert set(MAY) == set(SAMPLES) == set(typing.get_args(commands.Command))


@pytest.mark.parametrize("kind", MAY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("who", ROLES)
def test_every_cell_holds_while_the_show_is_live(kind: type, who: str) -> None:
    assert refusal(SAMPLES[kind], who, "live") == (None if who in MAY[kind] else "forbidden")


@pytest.mark.parametrize("kind", MAY, ids=lambda kind: kind.__name__)
def test_nobody_gets_more_when_the_show_is_not_live(kind: type) -> None:
    for state in ("scheduled", "rehearsal", "paused", "ended"):
        assert all(refusal(SAMPLES[kind], who, state) == "forbidden" for who in EVERYONE - MAY[kind]), state
