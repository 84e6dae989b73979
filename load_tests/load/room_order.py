"""Holds viewers of a room against each other: who missed, heard twice or heard out of order. Pure.

The order of a room is the same for everyone (docs/protocol.md), so the first viewer to hear a comment fixes its rank,
and everybody's comments have to come rank by rank. It takes no knowledge of who wrote them, and a few bytes a viewer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any, Final

_REMEMBERED: Final = 200_000
_HOLES: Final = 1_000
"""Missed comments of one viewer that are still known when they come late; of more, a late one counts as repeated."""


class RoomOrder:
    """The ranks of one room's comments as this process has heard them. Overflow policy: *forget the oldest*."""

    def __init__(self) -> None:
        self._ranks: OrderedDict[str, int] = OrderedDict()
        self.last = -1
        self.listening = 0
        """Followers of a busy room who have found their place."""

    def knows(self, comment_id: str) -> bool:
        """Whether somebody heard it already."""
        return comment_id in self._ranks

    def rank(self, comment_id: str) -> int:
        """Return the comment's rank, the next one for a comment that nobody heard yet."""
        rank = self._ranks.get(comment_id)
        if rank is None:
            self.last += 1
            rank = self._ranks[comment_id] = self.last
            if len(self._ranks) > _REMEMBERED:
                self._ranks.popitem(last=False)
        return rank


@dataclass(slots=True)
class Followed:
    """What one viewer, or many added up, heard: `expected` = received + missed, declared or not."""

    received: int = 0
    missed: int = 0
    repeated: int = 0
    reordered: int = 0
    sampled_out: int = 0
    shed: int = 0
    recovered: int = 0
    snapshots: int = 0
    """Returns that were given a fresh snapshot instead of what they missed."""

    def add(self, other: Followed) -> None:
        """Add another viewer's."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def undeclared(self) -> int:
        """Gaps that no `shed` spoke of."""
        return max(0, self.missed - self.shed)

    def figures(self) -> dict[str, Any]:
        """By name, for a report."""
        return asdict(self) | {"expected": self.received + self.missed, "undeclared": self.undeclared}


class Follower:
    """One viewer's ear."""

    __slots__ = ("_busy", "_holes", "_last", "_order", "heard")

    def __init__(self, order: RoomOrder, *, busy: bool = False) -> None:
        """`busy`: people come and go while others talk.

        A newcomer may then hear what comes next before the others, who have not yet read what its snapshot holds, so it
        fixes no ranks: its comments count from the first that somebody else has heard too. `gone` says that it left.
        """
        self._order = order
        self._busy = busy
        self._last: int | None = None
        self._holes: set[int] = set()
        self.heard = Followed()

    def welcomed(self, *, recovered: bool, returned: bool) -> None:
        """Note a welcome; after one without recovery the snapshot stands for what was missed."""
        if recovered:
            self.heard.recovered += 1
            return
        self.heard.snapshots += returned
        self.gone()

    def comment(self, comment_id: str) -> None:
        """Note a comment as it came."""
        if self._last is None and self._busy:
            if self._order.listening and not self._order.knows(comment_id):
                return
            self._order.listening += 1
        heard, rank = self.heard, self._order.rank(comment_id)
        if self._last is None or rank > self._last:
            self._skip(rank)
            self._last = rank
        elif rank in self._holes:
            self._holes.discard(rank)
            heard.missed -= 1
            heard.reordered += 1
        else:
            heard.repeated += 1
            return
        heard.received += 1

    def _skip(self, rank: int) -> None:
        """Note what lies between the last comment and this one; it may still come, late."""
        missed = 0 if self._last is None else rank - self._last - 1
        if missed and self._last is not None:
            self.heard.missed += missed
            if len(self._holes) + missed <= _HOLES:
                self._holes.update(range(self._last + 1, rank))

    def position(self, sampled_out: int, shed: int, *, lost: bool) -> None:
        """Note what the room says that it left out; after `lost` nothing before counts."""
        self.heard.sampled_out += sampled_out
        self.heard.shed += shed
        if lost:
            self.gone()

    def gone(self) -> None:
        """Nothing that follows continues what was heard."""
        if self._last is not None and self._busy:
            self._order.listening -= 1
        self._last = None

    def ends(self) -> None:
        """The run is over and this viewer still connected: what others heard and it did not is missed."""
        if self._last is not None:
            self.heard.missed += self._order.last - self._last
