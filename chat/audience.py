"""Those in a room who share frames, and how one frame gets to all of them. No I/O of its own."""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from chat.close_codes import CloseCode
from chat.shared_frame import SharedFrame


class Member(Protocol):
    """One connection in the room. Neither call blocks or raises."""

    @property
    def account_id(self) -> str:
        """Whose connection it is."""

    @property
    def role(self) -> str:
        """The person's role."""

    @property
    def moderates(self) -> bool:
        """Whether this is the broadcast's host or a monitor; it does not change while they are in the room."""

    def offer(self, frame: SharedFrame) -> None:
        """Write or queue a frame that many members share."""

    def dismiss(self, close_code: CloseCode) -> None:
        """Say bye and close."""


class Mailing(Protocol):
    """One frame on its way to those who were addressed."""

    def pass_on(self, most: int) -> bool:
        """Pass the frame on to at most so many who have not had it; return whether there may be more. Never blocks.

        Those who left meanwhile are left out, and those who came do not get it: their welcome has told them.
        """


class Audience(Protocol):
    """Members who are shown the same."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Member]:
        """Everyone; members may not come or go while this is walked."""

    def add(self, member: Member) -> None:
        """Let one in who is not in it."""

    def remove(self, member: Member) -> None:
        """Forget one, who may have left before."""

    def address(self, frame: SharedFrame, apart: Collection[Member] = ()) -> Mailing:
        """Settle that a frame goes to all who are here now, but for some.

        The mailing before it has to be passed on first, or is given up.
        """


class OfferedMailing:
    """A frame that is offered to one member after the other."""

    def __init__(self, frame: SharedFrame, members: Sequence[Member]) -> None:
        self._frame = frame
        self._members = members
        self._next = 0

    def pass_on(self, most: int) -> bool:
        """Offer it to some."""
        first, self._next = self._next, self._next + most
        for member in self._members[first : self._next]:
            member.offer(self._frame)
        return self._next < len(self._members)


class OfferingAudience:
    """The plain audience: whatever its members are, they are offered each frame."""

    def __init__(self) -> None:
        self._members: dict[Member, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def add(self, member: Member) -> None:
        """Let one in."""
        self._members[member] = None

    def remove(self, member: Member) -> None:
        """Forget one."""
        self._members.pop(member, None)

    def address(self, frame: SharedFrame, apart: Collection[Member] = ()) -> Mailing:
        """Take down who is here."""
        return OfferedMailing(frame, [member for member in self._members if member not in apart])
