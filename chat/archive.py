"""The port of what is kept: comments with their verdicts, pins and removals."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec import UNSET

from chat.acts import Act
from chat.envelope import Audience
from chat.events import Author, Comment, Kind, Verdict


@dataclass(frozen=True, slots=True)
class CommentRecord:
    """A comment as it is kept; `audience` is who may see it, apart from its author. `at` is UTC."""

    comment_id: str
    broadcast_id: str
    account_id: str
    client_message_id: str
    nickname: str
    role: str
    kind: Kind
    text: str
    verdict: Verdict
    reasons: tuple[str, ...]
    audience: Audience
    at: datetime
    stream_time_ms: int | None

    def shown(self, *, with_verdict: bool) -> Comment:
        """The comment as others see it; staff and its author see the verdict too."""
        author = Author(self.account_id, self.nickname, self.role)
        at_ms = int(self.at.timestamp() * 1_000)
        verdict = self.verdict if with_verdict else UNSET
        return Comment(self.comment_id, self.kind, author, self.text, at_ms, self.stream_time_ms, verdict)


@dataclass(frozen=True, slots=True)
class StoredComment:
    """The record that is kept; `repeated` says it was there before, under the same client message id.

    `due` says that the room has not heard it as far as is known, and may: it was neither marked nor withdrawn.
    """

    record: CommentRecord
    repeated: bool
    due: bool


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawn comment that its room is to be told of, owed `since` then (UTC).

    `pin_told_anew`: also what is pinned now, as it was this one, or as whoever withdrew it may not have come to tell.
    """

    broadcast_id: str
    comment_id: str
    since: datetime
    pin_told_anew: bool


class Archive(Protocol):
    """Durable: what returned without an error survives a crash of any process."""

    async def store(self, record: CommentRecord) -> StoredComment:
        """Keep a comment once for each account, broadcast and client message id, whatever races.

        A repeat returns the first record. Raises Unavailable when it is not known to be kept; sending it again is
        harmless.
        """

    def note_published(self, record: CommentRecord) -> None:
        """Mark soon that the room has heard this comment, as its audience is; never blocks, never raises.

        A mark may be lost with the process; a comment is never marked that was not noted.
        """

    async def recent(self, broadcast_id: str, limit: int, *, staff: bool) -> list[Comment]:
        """Return the newest comments that viewers (or staff) may see, oldest first, removed ones left out.

        Raises Unavailable.
        """

    async def pinned(self, broadcast_id: str) -> Comment | None:
        """Return the pinned comment. Raises Unavailable."""

    async def pin(self, broadcast_id: str, comment_id: str | None, act: Act) -> Comment | None:
        """Pin a comment that everyone may see, or with None take the pinned one down; return what is pinned now.

        An act that was done before changes nothing. Raises CommandRefused `no_such_comment`, Unavailable.
        """

    async def remove(self, broadcast_id: str, comment_id: str, act: Act) -> Withdrawal:
        """Withdraw a comment and unpin it; what is returned is owed to the room until `note_told`.

        Removing it again changes nothing, and is owed again. Raises CommandRefused `no_such_comment`, Unavailable.
        """

    async def owed(self, limit: int) -> list[Withdrawal]:
        """Return what rooms are still to be told, the oldest first: what was withdrawn by whoever did not come to tell.

        And what a room heard after it was withdrawn. Raises Unavailable.
        """

    async def note_told(self, told: Withdrawal) -> None:
        """Note that a room was told; what is owed since then stays owed. Raises Unavailable."""
