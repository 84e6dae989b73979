"""One broadcast's room in one process: who is in it, and what is passed on to whom.

No I/O: members take frames without blocking, and time is an argument in monotonic seconds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from chat.broadcast_states import OVER
from chat.close_codes import CloseCode
from chat.codec import encode_event, join_events
from chat.envelope import Envelope, Headline, unseal
from chat.events import Comment, LikesCounted, PresenceCounted, RoomEvent
from chat.history import RecentIds
from chat.likes import LikeTally
from chat.permissions import Standing

BuildFrame = Callable[[bytes], bytes]


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
        """Whether this is the broadcast's host or a monitor."""

    def offer(self, frame: bytes) -> None:
        """Write or queue a frame that many members share."""

    def dismiss(self, close_code: CloseCode) -> None:
        """Say bye and close."""


@dataclass(slots=True)
class Recording:
    """What reached a room since a snapshot was begun; overflow policy: *spoil*, the snapshot is built anew."""

    limit: int = 500
    spoilt: bool = False
    events: list[tuple[Envelope, Headline]] = field(default_factory=list)

    def add(self, envelope: Envelope, headline: Headline) -> None:
        """Note an event."""
        if len(self.events) < self.limit:
            self.events.append((envelope, headline))
        else:
            self.spoilt = True


class Room:
    """Passes each event on in one shared frame, and keeps of it only what later frames are judged by."""

    def __init__(self, broadcast_id: str, build_frame: BuildFrame, like_tick_s: float, opened_at_ms: int) -> None:
        self.broadcast_id = broadcast_id
        self.state = ""
        self.tips_enabled = False
        self.card_product_id: str | None = None
        self.online = 0
        self.likes = LikeTally(like_tick_s)
        self.recordings: list[Recording] = []
        self._build_frame = build_frame
        self._opened_at_ms = opened_at_ms
        self._members: set[Member] = set()
        self._by_account: dict[str, set[Member]] = {}
        self._shown = RecentIds()
        self._shown_to_staff = RecentIds()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> tuple[Member, ...]:
        """Everyone in the room now; a copy, as members may leave while it is walked."""
        return tuple(self._members)

    def standing(self, member: Member) -> Standing:
        """What this member may do now."""
        return Standing(member.role, member.moderates, self.state, self.tips_enabled)

    def add(self, member: Member) -> None:
        """Let a member in."""
        self._members.add(member)
        self._by_account.setdefault(member.account_id, set()).add(member)

    def remove(self, member: Member) -> None:
        """Forget a member, who may have left before."""
        self._members.discard(member)
        same_person = self._by_account.get(member.account_id, set())
        same_person.discard(member)
        if not same_person:
            self._by_account.pop(member.account_id, None)

    def deliver(self, data: bytes, now_s: float) -> None:
        """Pass on a sealed envelope; raises msgspec.DecodeError for what is not one."""
        envelope, headline = unseal(data)
        if headline.type == "likes":
            # Every gateway publishes totals; only one a tick is shown here.
            self.likes.learn_total(headline.total or 0)
            self.show_likes(now_s)
            return
        if headline.type == "comment" and not self._is_new(envelope, headline):
            return
        for recording in self.recordings:
            recording.add(envelope, headline)
        self._follow(headline)
        self._fan_out(envelope)
        if self.state in OVER:
            self.dismiss_all(CloseCode.BROADCAST_OVER)

    def _is_new(self, envelope: Envelope, headline: Headline) -> bool:
        # A comment published again after a crash between store and publish must not show twice.
        shown = self._shown if envelope.audience == "all" else self._shown_to_staff
        return headline.comment_id is None or shown.add(headline.comment_id)

    def _follow(self, headline: Headline) -> None:
        if headline.type == "state" and headline.state is not None:
            self.state = headline.state
        elif headline.type == "card_shown":
            self.tips_enabled = False
            self.card_product_id = headline.card.product_id if headline.card else None
        elif headline.type == "card_pulled":
            self.tips_enabled = True
            self.card_product_id = None

    def _fan_out(self, envelope: Envelope) -> None:
        frame = self._build_frame(join_events([bytes(envelope.event)]))
        for member in self._addressed(envelope):
            member.offer(frame)

    def _addressed(self, envelope: Envelope) -> Iterable[Member]:
        if envelope.to is not None:
            return tuple(self._by_account.get(envelope.to, ()))
        if envelope.audience == "all":
            return self.members
        return [member for member in self.members if member.moderates]

    def say(self, event: RoomEvent) -> None:
        """Tell everyone in this process something that is not published."""
        frame = self._build_frame(join_events([encode_event(event)]))
        for member in self.members:
            member.offer(frame)

    def show_likes(self, now_s: float) -> None:
        """Tell the total when it is due."""
        total = self.likes.due(now_s)
        if total is not None:
            self.say(LikesCounted(total))

    def show_online(self, online: int) -> None:
        """Tell how many there are, when that changed."""
        if online != self.online:
            self.online = online
            self.say(PresenceCounted(online))

    def missed(self, comments: Iterable[Comment]) -> list[Comment]:
        """Those of a fresh snapshot's comments that should have come by since this room was opened and did not."""
        return [
            comment
            for comment in comments
            if comment.at_ms >= self._opened_at_ms
            and comment.comment_id not in self._shown
            and comment.comment_id not in self._shown_to_staff
        ]

    def dismiss_all(self, close_code: CloseCode) -> None:
        """Send everyone away."""
        for member in self.members:
            member.dismiss(close_code)
            self.remove(member)
