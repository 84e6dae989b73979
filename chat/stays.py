"""Who was in a room from when to when, until it is handed over. Pure: times are arguments, UTC.

Overflow policy: *forget the newest*: while the store is away for long, later comings and goings are not kept.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from datetime import datetime

_MOST_WAITING = 50_000


@dataclass(frozen=True, slots=True)
class Stay:
    """One person's time on one connection; `left_at` None while they are here."""

    account_id: str
    entered_at: datetime
    left_at: datetime | None = None


class Stays:
    """The stays of one room in this process."""

    def __init__(self) -> None:
        self._here: dict[Hashable, Stay] = {}
        self._waiting: dict[tuple[str, datetime], Stay] = {}

    @property
    def empty(self) -> bool:
        """Whether nobody is here and everything was handed over."""
        return not self._here and not self._waiting

    def enter(self, key: Hashable, account_id: str, at: datetime) -> None:
        """Somebody came."""
        stay = self._here[key] = Stay(account_id, at)
        self._keep(stay)

    def leave(self, key: Hashable, at: datetime) -> None:
        """Somebody left, who may have left before."""
        stay = self._here.pop(key, None)
        if stay is not None:
            self._keep(Stay(stay.account_id, stay.entered_at, at))

    def take(self) -> list[Stay]:
        """Take what changed and is not handed over yet; on failure give it back with `give_back`."""
        waiting, self._waiting = self._waiting, {}
        return list(waiting.values())

    def give_back(self, stays: Collection[Stay]) -> None:
        """Keep stays that could not be handed over, but where more is known of them by now."""
        newer, self._waiting = self._waiting, {}
        for stay in (*stays, *newer.values()):
            self._keep(stay)

    def _keep(self, stay: Stay) -> None:
        name = stay.account_id, stay.entered_at
        if name in self._waiting or len(self._waiting) < _MOST_WAITING:
            self._waiting[name] = stay
