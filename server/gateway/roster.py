"""A room's audience whose frames go to many sockets at once: who sits where, and what each was told. Talks to sockets.

What the many need for a frame stands in arrays, not in objects: a connection that is clear costs a frame one system
call and no Python. The others, usually few, are offered it one by one.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from chat.audience import Member
from chat.shared_frame import SharedFrame
from server.gateway.counters import GatewayCounters
from server.gateway.frame_writer import FrameWriter, Seats
from server.gateway.participant import Participant

_SERIALS = 1 << 32


class Roster:
    """An `Audience` of participants.

    Frames have serials; a seat is marked with that of the last one it was told, or that it sat down during, so that
    who moves to another seat while a frame goes round neither misses it nor gets it twice.
    """

    def __init__(self, writer: FrameWriter, counters: GatewayCounters) -> None:
        self._writer = writer
        self._counters = counters
        self._seated: list[Participant] = []
        self._places: dict[Participant, int] = {}
        self._seats = Seats()
        self._windows: Counter[int] = Counter()
        self._serial = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._seated)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._seated)

    def add(self, member: Member) -> None:
        """Give one a seat."""
        assert isinstance(member, Participant)
        seats, place, window = self._seats, len(self._seated), member.connection.window_bits
        self._seated.append(member)
        self._places[member] = place
        seats.descriptors.append(-1)
        seats.told.append(self._serial)
        seats.windows.append(window)
        self._windows[window] += 1
        member.connection.sit(seats.descriptors, place)

    def remove(self, member: Member) -> None:
        """Take a seat away; who sat last moves there."""
        assert isinstance(member, Participant)
        place = self._places.pop(member, None)
        if place is None:
            return
        member.connection.rise()
        seats = self._seats
        self._windows[seats.windows[place]] -= 1
        last = self._seated.pop()
        columns = (seats.descriptors, seats.told, seats.windows)
        values = [column.pop() for column in columns]
        if last is not member:
            self._seated[place], self._places[last] = last, place
            for column, value in zip(columns, values, strict=True):
                column[place] = value
            last.connection.sit(seats.descriptors, place)
            self._next = min(self._next, place)

    def address(self, frame: SharedFrame, apart: Collection[Member] = ()) -> "RosterMailing":
        """Begin another frame; those apart count as told."""
        self._serial = (self._serial + 1) % _SERIALS
        self._next = 0
        for member in apart:
            assert isinstance(member, Participant)
            if (place := self._places.get(member)) is not None:
                self._seats.told[place] = self._serial
        frames = {window: frame.for_window(window) for window, seated in self._windows.items() if seated}
        return RosterMailing(self, frame, frames)

    def write(self, frame: SharedFrame, frames: dict[int, bytes], table: object, most: int) -> bool:
        """Write a frame to some who were not told it."""
        written = self._writer.write(self._seats, table, self._serial, self._next, most)
        self._next = written.next
        self._counters.frames_out += written.frames
        self._counters.bytes_out += written.bytes_out
        # Looked up first: what happens to one of them may move the others.
        left = [(self._seated[place].connection, sent) for place, sent in written.left]
        for connection, sent in left:
            if sent < 0:
                connection.offer(frame)
            else:
                connection.finish(frames[connection.window_bits], sent)
        return self._next < len(self._seated)

    def prepare(self, frames: dict[int, bytes]) -> object:
        """Make the writer's table of a frame's forms."""
        table: object = self._writer.table(frames)
        return table


class RosterMailing:
    """One frame on its way through a roster."""

    def __init__(self, roster: Roster, frame: SharedFrame, frames: dict[int, bytes]) -> None:
        self._roster = roster
        self._frame = frame
        self._frames = frames
        self._table = roster.prepare(frames)

    def pass_on(self, most: int) -> bool:
        """Write it to some."""
        return self._roster.write(self._frame, self._frames, self._table, most)
