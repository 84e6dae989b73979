"""A frame that many connections share, and its leaner forms for those that cannot keep up. Pure.

Each form is encoded at most once, however many connections write it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import UNSET, structs

from chat.codec import encode_event, join_events
from chat.events import PositionReached
from chat.importance import Importance

BuildFrame = Callable[[bytes], bytes]

# What each level of shedding leaves out; totals always stay, they are few and the last one has to arrive.
WHOLE, WITHOUT_MAY, MUST_ONLY = 0, 1, 2
_LEFT_OUT: tuple[frozenset[Importance], ...] = (frozenset(), frozenset({"may"}), frozenset({"may", "should"}))


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a frame: its bytes, empty when nothing is left to say, and how many events were shed from it."""

    data: bytes
    shed_may: int = 0
    shed_should: int = 0


class SharedFrame:
    """The events of a tick for one audience, in order; a position, where there is one, closes the frame."""

    __slots__ = ("_build_frame", "_events", "_forms", "_position", "whole")

    def __init__(
        self,
        events: Sequence[tuple[Importance, bytes]],
        build_frame: BuildFrame,
        position: PositionReached | None = None,
    ) -> None:
        self._events = events
        self._build_frame = build_frame
        self._position = position
        self._forms: list[Form | None] = [None, None]
        self.whole = self._encode([data for _, data in events], 0)

    def form(self, level: int) -> Form:
        """Return the frame as it is sent at this level of shedding."""
        if level == WHOLE:
            return Form(self.whole)
        form = self._forms[level - 1]
        if form is None:
            form = self._forms[level - 1] = self._shed(level)
        return form

    def _shed(self, level: int) -> Form:
        left_out = _LEFT_OUT[level]
        gone = [importance for importance, _ in self._events if importance in left_out]
        if not gone:
            return Form(self.whole)
        kept = [data for importance, data in self._events if importance not in left_out]
        may = gone.count("may")
        return Form(self._encode(kept, len(gone)), may, len(gone) - may)

    def _encode(self, events: list[bytes], shed: int) -> bytes:
        position = self._position
        if position is None:
            return self._build_frame(join_events(events)) if events else b""
        told = structs.replace(position, shed=shed or UNSET)
        return self._build_frame(join_events([*events, encode_event(told)]))
