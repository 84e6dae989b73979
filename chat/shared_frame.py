"""A frame that many connections share, and its leaner forms for those that cannot keep up. Pure.

Each form is encoded at most once, however many connections write it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import UNSET, structs

from chat.codec import encode_event, join_events
from chat.connection_events import PositionReached
from chat.importance import Importance

# Builds a frame from its payload; the number is the deflate window's bits that a connection agreed to, 0 for none.
BuildFrame = Callable[[bytes, int], bytes]

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

    __slots__ = ("_build_frame", "_events", "_forms", "_position", "by_window", "whole")

    def __init__(
        self,
        events: Sequence[tuple[Importance, bytes]],
        build_frame: BuildFrame,
        position: PositionReached | None = None,
    ) -> None:
        self._events = events
        self._build_frame = build_frame
        self._position = position
        self.whole = self._encode([data for _, data in events], 0, 0)
        self._forms = {(WHOLE, 0): Form(self.whole)}
        # What has been encoded of the whole frame, by window: the many look here first.
        self.by_window = {0: self.whole}

    def for_window(self, window_bits: int) -> bytes:
        """Return the whole frame for connections with this deflate window."""
        data = self.by_window[window_bits] = self.form(WHOLE, window_bits).data
        return data

    def form(self, level: int, window_bits: int = 0) -> Form:
        """Return the frame as it is sent at this level of shedding, to connections with this deflate window."""
        form = self._forms.get((level, window_bits))
        if form is None:
            form = self._forms[level, window_bits] = self._shed(level, window_bits)
        return form

    def _shed(self, level: int, window_bits: int) -> Form:
        left_out = _LEFT_OUT[level]
        gone = [importance for importance, _ in self._events if importance in left_out]
        kept = [data for importance, data in self._events if importance not in left_out]
        may = gone.count("may")
        return Form(self._encode(kept, len(gone), window_bits), may, len(gone) - may)

    def _encode(self, events: list[bytes], shed: int, window_bits: int) -> bytes:
        if self._position is not None:
            told = structs.replace(self._position, shed=shed or UNSET)
            events = [*events, encode_event(told)]
        return self._build_frame(join_events(events), window_bits) if events else b""
