"""Who may say what, and when: the table of docs/protocol.md. Pure."""

from dataclasses import dataclass

from chat import commands
from chat.broadcast_states import ON_AIR
from chat.errors import CommandRefused

_SPEAKERS = frozenset({"viewer", "host", "guest", "monitor"})
_REHEARSERS = frozenset({"host", "guest", "monitor"})


@dataclass(frozen=True, slots=True)
class Standing:
    """One person in one room now; `moderates` holds for this broadcast's host and for monitors."""

    role: str
    moderates: bool
    state: str
    tips_enabled: bool


def check(command: commands.Command, standing: Standing) -> None:
    """Raise CommandRefused (`forbidden`, `not_open`, `tips_disabled`) unless this person may give the command now."""
    match command:
        case commands.PostComment():
            _allow(standing.role in _SPEAKERS)
            rehearsing = standing.state == "rehearsal" and standing.role in _REHEARSERS
            _open(standing.state in ON_AIR or rehearsing)
        case commands.Visibility():
            pass
        case commands.Like():
            _allow(standing.role == "viewer")
            _open(standing.state in ON_AIR)
        case commands.Tip():
            _allow(standing.role == "viewer")
            _open(standing.state == "live")
            if not standing.tips_enabled:
                raise CommandRefused("tips_disabled", "tips are off while a product card is shown")
        case commands.Pin():
            _allow(standing.moderates)
        case commands.Remove() | commands.Release() | commands.Mute() | commands.Ban() | commands.SetRules():
            _allow(standing.role == "monitor")
        case commands.PickQuestion() | commands.Announce():
            _allow(standing.moderates)
        case commands.Answer() | commands.OpenPoll() | commands.ClosePoll():
            # Only who is licensed may speak of the product officially; a poll is the host's to ask.
            _allow(standing.moderates and standing.role == "host")
            _open(standing.state in ON_AIR)
        case commands.Vote():
            _allow(standing.role == "viewer")
            _open(standing.state in ON_AIR)
        case commands.Report():
            _allow(standing.role == "viewer")


def _allow(allowed: bool) -> None:
    if not allowed:
        raise CommandRefused("forbidden", "this role may not do that here")


def _open(is_open: bool) -> None:
    if not is_open:
        raise CommandRefused("not_open", "the broadcast does not take this now")
