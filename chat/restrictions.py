"""Who may not talk or not be here, and the rooms' rules, as this process knows them. Pure: time is an argument.

Epoch seconds throughout. Filled by `chat.restriction_feed` from the store, so that every process knows within a second.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chat.errors import CommandRefused

Kind = Literal["mute", "ban", "closed", "signed_out"]
EVERYWHERE = ""
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Restriction:
    """A mute in one broadcast, or a ban from all (`EVERYWHERE`), or a closed account, which no monitor can lift.

    `until_s` None is without end, one passed is lifted. Of `signed_out` it is the moment before which a session must
    not have begun, which goes on to hold when it has passed.
    """

    kind: Kind
    broadcast_id: str
    account_id: str
    until_s: float | None


@dataclass(frozen=True, slots=True)
class RoomRules:
    """`slow_s`: the seconds between two messages of one viewer, 0 for no such rule."""

    muted_all: bool = False
    slow_s: int = 0


class Restrictions:
    """What is in force; overflow policy of the slow mode's memory: *forget the longest quiet*, who then may talk."""

    def __init__(self, remembered: int = 50_000) -> None:
        self._until: dict[tuple[Kind, str, str], float] = {}
        self._sessions_from: dict[str, float] = {}  # one for each account whose password was ever changed by hand
        self._rules: dict[str, RoomRules] = {}
        self._last: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()
        self._remembered = remembered

    def apply(self, restriction: Restriction, now_s: float) -> None:
        """Take a change into force; repeating it changes nothing."""
        key = (restriction.kind, restriction.broadcast_id, restriction.account_id)
        until_s = _FOREVER if restriction.until_s is None else restriction.until_s
        if restriction.kind == "signed_out":
            self._sessions_from[restriction.account_id] = until_s
            return
        if until_s > now_s:
            self._until[key] = until_s
        else:
            self._until.pop(key, None)

    def rule(self, broadcast_id: str, rules: RoomRules) -> None:
        """Take a room's rules into force."""
        if rules == RoomRules():
            self._rules.pop(broadcast_id, None)
        else:
            self._rules[broadcast_id] = rules

    def rules_of(self, broadcast_id: str) -> RoomRules:
        """Return a room's rules."""
        return self._rules.get(broadcast_id, RoomRules())

    def banned(self, account_id: str, now_s: float) -> bool:
        """Say whether this account may not enter any room or watch any stream."""
        return self._until.get(("ban", EVERYWHERE, account_id), 0.0) > now_s or self.closed(account_id, now_s)

    def closed(self, account_id: str, now_s: float) -> bool:
        """Say whether this account may do nothing at all."""
        return self._until.get(("closed", EVERYWHERE, account_id), 0.0) > now_s

    def sessions_from(self, account_id: str) -> float:
        """Return the moment before which no session of this account's may have begun; it may be still to come."""
        return self._sessions_from.get(account_id, 0.0)

    def out(self, account_id: str, now_s: float) -> bool:
        """Say whether whoever is here under this account has to go now, to come back or not."""
        return self.banned(account_id, now_s) or self.sessions_from(account_id) > now_s

    def among_banned(self, account_ids: Iterable[str], now_s: float) -> list[str]:
        """Return those of these accounts that are banned."""
        return [account_id for account_id in account_ids if self.banned(account_id, now_s)]

    def check_silenced(self, broadcast_id: str, account_id: str, now_s: float) -> None:
        """Raise CommandRefused `banned` or `muted` where this account, staff too, is to say nothing here."""
        if self.banned(account_id, now_s):
            raise CommandRefused("banned", "this account may not take part")
        until_s = self._until.get(("mute", broadcast_id, account_id), 0.0)
        if until_s > now_s:
            wait_ms = None if until_s == _FOREVER else int((until_s - now_s) * 1_000)
            raise CommandRefused("muted", "the monitor has muted you here", wait_ms)

    def check_talk(self, broadcast_id: str, account_id: str, message_id: str, now_s: float) -> None:
        """Raise as `check_silenced`, or `muted_all` or `slow_mode`, unless this viewer may talk now.

        Notes the message for the slow mode; the same message id again is the same message.
        """
        self.check_silenced(broadcast_id, account_id, now_s)
        rules = self.rules_of(broadcast_id)
        if rules.muted_all:
            raise CommandRefused("muted_all", "only staff may talk now")
        if rules.slow_s:
            self._check_pace(rules.slow_s, (broadcast_id, account_id), message_id, now_s)

    def _check_pace(self, slow_s: int, speaker: tuple[str, str], message_id: str, now_s: float) -> None:
        last_id, last_s = self._last.get(speaker, ("", -_FOREVER))
        if message_id == last_id:
            return
        if now_s - last_s < slow_s:
            wait_ms = int((slow_s - (now_s - last_s)) * 1_000) + 1
            raise CommandRefused("slow_mode", f"one message every {slow_s} seconds", wait_ms)
        self._last[speaker] = (message_id, now_s)
        self._last.move_to_end(speaker)
        if len(self._last) > self._remembered:
            self._last.popitem(last=False)
