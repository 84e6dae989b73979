"""Every event a viewer was to hear, and what became of it: told, sampled out, shed, or missing. Pure.

A viewer who is there from the first event to the last, however often they were cut and came back with what they had
reached, has to come to exactly what was sent. One who was given a snapshot instead cannot say so and is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from load_tests.load.room_order import Follower, RoomOrder


@dataclass(frozen=True, slots=True)
class Sent:
    """What the room acknowledged: comments (*may*), tips (*should*), cards shown and pulled (*must*)."""

    comments: int
    tips: int
    cards: int


@dataclass(slots=True)
class Reckoning:
    """All viewers together; `unaccounted` are viewers whose sum is not what was sent."""

    viewers: int = 0
    sent: int = 0
    told: int = 0
    sampled_out: int = 0
    shed: int = 0
    unaccounted: int = 0
    repeated: int = 0
    reordered: int = 0
    snapshots: int = 0
    recovered: int = 0
    absent: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is missing, repeated or out of order, for anybody."""
        return self.viewers > 0 and not any(
            (self.unaccounted, self.repeated, self.reordered, self.snapshots, self.absent)
        )

    def figures(self) -> dict[str, Any]:
        """By name."""
        return asdict(self) | {"sound": self.sound}


class Account:
    """One viewer's."""

    __slots__ = ("_follower", "_shown_at_ms", "cards", "comments", "tips")

    def __init__(self, order: RoomOrder) -> None:
        self._follower = Follower(order)
        self._shown_at_ms = -1
        self.comments = self.tips = self.cards = 0

    def welcomed(self, *, recovered: bool, returned: bool) -> None:
        """Note a welcome."""
        self._follower.welcomed(recovered=recovered, returned=returned)

    def comment(self, comment_id: str) -> None:
        """Note a comment; its place in the order that all share is checked."""
        self.comments += 1
        self._follower.comment(comment_id)

    def tip(self) -> None:
        """Note a tip."""
        self.tips += 1

    def card_shown(self, shown_at_ms: int) -> None:
        """Note a card; the same again is a repeat, an older one out of order."""
        heard = self._follower.heard
        heard.repeated += shown_at_ms == self._shown_at_ms
        heard.reordered += shown_at_ms < self._shown_at_ms
        self._shown_at_ms = max(self._shown_at_ms, shown_at_ms)
        self.cards += 1

    def card_pulled(self) -> None:
        """Note that it was taken down."""
        self.cards += 1

    def position(self, sampled_out: int, shed: int, *, lost: bool) -> None:
        """Note what the room says that it left out."""
        self._follower.position(sampled_out, shed, lost=lost)
        self._follower.heard.snapshots += lost

    def into(self, whole: Reckoning, sent: Sent, *, present: bool) -> None:
        """Settle it against what was sent."""
        heard = self._follower.heard
        whole.viewers += 1
        whole.absent += not present
        whole.sent += sent.comments + sent.tips + sent.cards
        whole.told += self.comments + self.tips + self.cards
        whole.sampled_out += heard.sampled_out
        whole.shed += heard.shed
        whole.repeated += heard.repeated
        whole.reordered += heard.reordered
        whole.snapshots += heard.snapshots
        whole.recovered += heard.recovered
        whole.unaccounted += not self._balances(sent)

    def _balances(self, sent: Sent) -> bool:
        """What a *must* is, is told; of the others each is told, or left out by name."""
        heard = self._follower.heard
        others = self.comments + self.tips + heard.sampled_out + heard.shed
        return self.cards == sent.cards and others == sent.comments + sent.tips


def reckon(people: Iterable[tuple[Account, bool]], sent: Sent) -> Reckoning:
    """Settle everybody's account; the flag says whether they are connected at the end."""
    whole = Reckoning()
    for account, present in people:
        account.into(whole, sent, present=present)
    return whole
