"""What each viewer was told of a room, and what they should have been: undeclared gaps and repeats. Pure.

A frame of the room tells everything of its epoch after the offset that was reached, up to the one that its `position`
closes it with (docs/protocol.md, *Coming back*). So whoever was told a comment knows between which offsets it lies, and
everyone who claims to have been told those offsets must have seen it, unless the server said that something was left
out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Place = tuple[str, int, int]
"""An epoch, and two offsets: after the first, up to the second."""


@dataclass(slots=True)
class Stretch:
    """A time in which a viewer is promised to be told everything, from `start` to `end` of one epoch."""

    epoch: str
    start: int
    end: int
    began_s: float
    heard_s: float
    seen: set[str] = field(default_factory=set)
    excused: list[tuple[int, int]] = field(default_factory=list)

    def promises(self, place: Place) -> bool:
        """Whether a comment at this place had to be told."""
        epoch, low, high = place
        if epoch != self.epoch or low < self.start or high > self.end:
            return False
        return not any(low < until and high > since for since, until in self.excused)


class Ledger:
    """What all viewers of one room were told: where each comment lies, and what was glimpsed outside any promise."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.glimpsed: set[str] = set()
        self.contradictions: list[str] = []
        self.viewers: list[Viewer] = []

    def viewer(self) -> Viewer:
        """A new viewer of this room."""
        viewer = Viewer(self)
        self.viewers.append(viewer)
        return viewer

    def locate(self, comment_id: str, place: Place) -> None:
        """Somebody was told this comment between these offsets."""
        known = self.places.get(comment_id)
        if known is None or known[0] != place[0]:
            self.places.setdefault(comment_id, place)
            return
        low, high = max(known[1], place[1]), min(known[2], place[2])
        if low >= high:
            self.contradictions.append(f"{comment_id} at {known} and at {place}")
            return
        self.places[comment_id] = (place[0], low, high)

    def repeats(self) -> int:
        """How often somebody was told the same comment twice without having been told that it may be so."""
        return sum(viewer.repeats for viewer in self.viewers)

    def undeclared_gaps(self, acknowledged: dict[str, tuple[float, float]]) -> list[str]:
        """Name, over all viewers, comments that were promised and never told; and those that nobody was told.

        `acknowledged`: the comments that passed, with when they were first said and when acknowledged: somewhere in
        between they were told. One that is said again after a return may have been told while nobody was there.
        """
        gaps = [*self.contradictions]
        for number, viewer in enumerate(self.viewers):
            for stretch in viewer.stretches:
                gaps += [
                    f"{comment_id} at {place}: viewer {number}, told {stretch.start} to {stretch.end}"
                    for comment_id, place in self.places.items()
                    if comment_id not in stretch.seen and stretch.promises(place)
                ]
        known = self.places.keys() | self.glimpsed
        return gaps + [
            f"{comment_id}, said at {said_s:.1f}, acknowledged at {acked_s:.1f}: nobody was told"
            for comment_id, (said_s, acked_s) in acknowledged.items()
            if comment_id not in known and self._somebody_stayed(said_s, acked_s)
        ]

    def _somebody_stayed(self, from_s: float, to_s: float, before_s: float = 2.0, after_s: float = 5.0) -> bool:
        """Whether anyone listened, with no declared loss, from well before the one time until well after the other."""
        return any(
            stretch.began_s < from_s - before_s and stretch.heard_s > to_s + after_s
            for viewer in self.viewers
            for stretch in viewer.stretches
        )


class Viewer:
    """What one viewer was told, frame by frame."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.stretches: list[Stretch] = []
        self.repeats = 0
        self.lost = 0
        self.snapshots = 0

    @property
    def reached(self) -> dict[str, object]:
        """What the next `hello` says; nothing before the first welcome."""
        if not self.stretches:
            return {}
        return {"epoch": self.stretches[-1].epoch, "offset": self.stretches[-1].end}

    def welcomed(self, epoch: str, offset: int, *, recovered: bool, now_s: float, comments: Iterable[str] = ()) -> None:
        """A frame began with a welcome; `comments` follow in it."""
        if recovered and self.stretches and self.stretches[-1].epoch == epoch:
            self.positioned(epoch, offset, now_s=now_s, comments=comments)
            return
        self.snapshots += 1
        self._afresh(epoch, offset, now_s, comments)

    def positioned(
        self, epoch: str, offset: int, *, now_s: float, comments: Iterable[str], left_out: int = 0, lost: bool = False
    ) -> None:
        """A frame of the room was closed; `left_out` counts what was sampled out and shed."""
        stretch = self.stretches[-1]
        if lost or epoch != stretch.epoch:
            # An epoch that changes without `lost` is a gap that nobody declared: what was told before ends here.
            if not lost:
                self._ledger.contradictions.append(f"{stretch.epoch} became {epoch} without a word")
            self.lost += 1
            self._afresh(epoch, offset, now_s, comments)
            return
        if left_out:
            stretch.excused.append((stretch.end, offset))
        for comment_id in comments:
            if comment_id in stretch.seen:
                self.repeats += 1
                continue
            stretch.seen.add(comment_id)
            self._ledger.locate(comment_id, (epoch, stretch.end, offset))
        stretch.end = max(stretch.end, offset)
        stretch.heard_s = now_s

    def _afresh(self, epoch: str, offset: int, now_s: float, comments: Iterable[str]) -> None:
        self._ledger.glimpsed.update(comments)
        self.stretches.append(Stretch(epoch, offset, offset, now_s, now_s, set()))
