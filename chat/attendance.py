"""Who watched, how often and how long, as far as this process saw it. Pure: time is an argument, monotonic seconds.

Only viewers count. A view is a page that was opened: who comes back to where they were goes on with the old one. Time
in the background (`visibility`) is kept apart from time watched.
"""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """One process's figures of one broadcast since it opened the room; all but `hidden_now` only grow."""

    views: int
    watched_ms: int
    hidden_ms: int
    hidden_now: int


@dataclass(slots=True)
class _Spell:
    """Seconds spent by all who are in one state: n × now − the sum of their beginnings, so reading costs nothing."""

    people: int = 0
    begun_s: float = 0.0
    over_s: float = 0.0

    def begin(self, now_s: float) -> None:
        self.people += 1
        self.begun_s += now_s

    def end(self, since_s: float, now_s: float) -> None:
        self.people -= 1
        self.begun_s -= since_s
        self.over_s += max(0.0, now_s - since_s)

    def total_ms(self, now_s: float) -> int:
        return int(max(0.0, self.over_s + self.people * now_s - self.begun_s) * 1_000)


@dataclass(slots=True)
class _Visit:
    hidden: bool
    since_s: float


class Visits:
    """The attendance of one broadcast in this process."""

    def __init__(self, writer_id: str) -> None:
        """`writer_id` names these totals for as long as they grow."""
        self.writer_id = writer_id
        self.peak_online = 0
        self._views = 0
        self._spells = {False: _Spell(), True: _Spell()}
        self._visits: dict[Hashable, _Visit] = {}
        self._seen: set[str] = set()
        self._new: set[str] = set()

    @property
    def empty(self) -> bool:
        """Whether nobody is here and every visitor was handed over."""
        return not self._visits and not self._new

    def enter(self, key: Hashable, account_id: str, now_s: float, *, fresh: bool) -> None:
        """Somebody came; `fresh` is a new view, else one that goes on."""
        self._views += fresh
        self._visits[key] = _Visit(False, now_s)
        self._spells[False].begin(now_s)
        if account_id not in self._seen:
            self._seen.add(account_id)
            self._new.add(account_id)

    def hide(self, key: Hashable, now_s: float, *, hidden: bool) -> None:
        """The page went to the background, or came back; saying it twice changes nothing."""
        visit = self._visits.get(key)
        if visit is None or visit.hidden == hidden:
            return
        self._spells[visit.hidden].end(visit.since_s, now_s)
        self._spells[hidden].begin(now_s)
        visit.hidden, visit.since_s = hidden, now_s

    def leave(self, key: Hashable, now_s: float) -> None:
        """Somebody left, who may have left before."""
        visit = self._visits.pop(key, None)
        if visit is not None:
            self._spells[visit.hidden].end(visit.since_s, now_s)

    def totals(self, now_s: float) -> Totals:
        """Read the figures as they are now."""
        watched, hidden = self._spells[False], self._spells[True]
        return Totals(self._views, watched.total_ms(now_s), hidden.total_ms(now_s), hidden.people)

    def take_new(self) -> set[str]:
        """Take the accounts that are not handed over yet; on failure give them back with `give_back`."""
        new, self._new = self._new, set()
        return new

    def give_back(self, accounts: set[str]) -> None:
        """Keep accounts that could not be handed over."""
        self._new |= accounts
