"""A broadcast's life as a state machine: which moves there are, who may make them, what must be in place. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class State(StrEnum):
    """States of `domain.md`; `terminated` is cut by the monitor."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    REHEARSAL = "rehearsal"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"
    REPLAY_REVIEW = "replay_review"
    REPLAY_PUBLISHED = "replay_published"
    ARCHIVED = "archived"


ON_AIR = frozenset({State.LIVE, State.PAUSED})
PUBLISHABLE = ON_AIR | {State.REHEARSAL}
OVER = frozenset({State.ENDED, State.TERMINATED, State.CANCELLED}) | {
    State.REPLAY_REVIEW,
    State.REPLAY_PUBLISHED,
    State.ARCHIVED,
}
EDITABLE = frozenset({State.DRAFT, State.IN_REVIEW, State.APPROVED, State.REJECTED, State.SCHEDULED})

_SHOWN_TO_VIEWERS = frozenset({State.SCHEDULED, State.LIVE, State.PAUSED, State.ENDED, State.TERMINATED})
_NOBODY: frozenset[str] = frozenset()
_VIEWERS = frozenset({"viewer"})


def hidden_from(state: State, *, announced: bool) -> frozenset[str]:
    """Name the roles that are not to know of a broadcast: HTTP, its room and its list go by this one rule.

    Viewers wait for an announced show through its rehearsal, whose picture and comments they do not get; a rehearsal
    that nobody announced is hidden from them.
    """
    shown = state in _SHOWN_TO_VIEWERS or (state is State.REHEARSAL and announced)
    return _NOBODY if shown else _VIEWERS


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: from which states, to which, by which roles."""

    sources: frozenset[State]
    target: State
    roles: frozenset[str]


def _move(sources: set[State], target: State, *roles: str) -> Move:
    return Move(frozenset(sources), target, frozenset(roles))


_S = State
MOVES: dict[str, Move] = {
    "submit": _move({_S.DRAFT}, _S.IN_REVIEW, "host"),
    "approve": _move({_S.IN_REVIEW}, _S.APPROVED, "checker"),
    "reject": _move({_S.IN_REVIEW}, _S.REJECTED, "checker"),
    "revise": _move({_S.REJECTED, _S.APPROVED, _S.SCHEDULED}, _S.DRAFT, "host"),
    "schedule": _move({_S.APPROVED}, _S.SCHEDULED, "host"),
    "rehearse": _move({_S.APPROVED, _S.SCHEDULED}, _S.REHEARSAL, "host"),
    "go_live": _move({_S.APPROVED, _S.SCHEDULED, _S.REHEARSAL}, _S.LIVE, "host"),
    "pause": _move({_S.LIVE}, _S.PAUSED, "host", "monitor"),
    "resume": _move({_S.PAUSED}, _S.LIVE, "host"),
    "end": _move({_S.LIVE, _S.PAUSED}, _S.ENDED, "host"),
    "terminate": _move({_S.REHEARSAL, _S.LIVE, _S.PAUSED}, _S.TERMINATED, "monitor"),
    "cancel": _move(set(EDITABLE) | {_S.REHEARSAL}, _S.CANCELLED, "host"),
    "review_replay": _move({_S.ENDED, _S.TERMINATED}, _S.REPLAY_REVIEW, "host"),
    "publish_replay": _move({_S.REPLAY_REVIEW}, _S.REPLAY_PUBLISHED, "checker"),
    "archive": _move(
        {_S.ENDED, _S.TERMINATED, _S.CANCELLED, _S.REPLAY_REVIEW, _S.REPLAY_PUBLISHED}, _S.ARCHIVED, "host"
    ),
}


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff as viewers and the register know them."""

    account_id: str
    display_name: str
    employee_no: str | None = None
    licence_no: str | None = None
    licence_expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not in place before going live: a stable code, who must act, and what they do."""

    code: str
    who: str
    what_to_do: str


class LifecycleError(Exception):
    """A move that cannot be made; `code` is stable."""

    code = "lifecycle"


class IllegalMove(LifecycleError):
    """The state does not know this move; `allowed` lists those it knows for this role."""

    code = "illegal_move"

    def __init__(self, state: State, move: str, allowed: list[str]) -> None:
        super().__init__(f"'{move}' is not possible while the broadcast is {state}")
        self.state = state
        self.allowed = allowed


class NotYours(LifecycleError):
    """The actor's role or place in this broadcast does not let them."""

    code = "forbidden"


class NotReady(LifecycleError):
    """Something is missing before going live."""

    code = "not_ready"

    def __init__(self, missing: list[Missing]) -> None:
        super().__init__("; ".join(f"{item.who}: {item.what_to_do}" for item in missing))
        self.missing = missing


def allowed_moves(state: State, role: str) -> list[str]:
    """List the moves that this role can make from this state, sorted."""
    return sorted(name for name, move in MOVES.items() if state in move.sources and role in move.roles)


def decide(
    state: State,
    name: str,
    *,
    actor_id: str,
    role: str,
    maker_id: str,
    host_id: str,
    monitor_id: str | None,
    missing: list[Missing],
) -> State:
    """Return the state after the move.

    Raises IllegalMove, NotYours (wrong role; a checker who is the maker; not this broadcast's host or
    monitor) or, for `go_live`, NotReady. Maker-checker: who made it never approves it.
    """
    move = MOVES.get(name)
    if move is None:
        raise IllegalMove(state, name, allowed_moves(state, role))
    if role not in move.roles:
        raise NotYours(f"the role '{role}' may not '{name}' a broadcast")
    if role == "checker" and actor_id == maker_id:
        raise NotYours("who made a broadcast may not check it")
    if role == "host" and actor_id not in (maker_id, host_id):
        raise NotYours("only the host of this broadcast may do this")
    if role == "monitor" and actor_id != monitor_id:
        raise NotYours("only the monitor assigned to this broadcast may do this")
    if state not in move.sources:
        raise IllegalMove(state, name, allowed_moves(state, role))
    if name == "go_live" and missing:
        raise NotReady(missing)
    return move.target


def readiness(host: Person, monitor: Person | None, *, monitor_present: bool, today: date) -> list[Missing]:
    """List what going live still lacks besides approval: licence on record and valid, a monitor, who is there."""
    missing = []
    if host.employee_no is None or host.licence_no is None or host.licence_expires_on is None:
        missing.append(Missing("host_licence_missing", host.display_name, "have your licence put on record"))
    elif host.licence_expires_on < today:
        missing.append(Missing("host_licence_expired", host.display_name, "renew your licence and have it recorded"))
    if monitor is None:
        missing.append(Missing("monitor_unassigned", host.display_name, "name a monitor for this broadcast"))
    elif not monitor_present:
        what = "open the monitor page of this broadcast and stay there"
        missing.append(Missing("monitor_absent", monitor.display_name, what))
    return missing
