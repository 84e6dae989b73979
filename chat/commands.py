"""What a client may say: one struct for each frame type of docs/protocol.md. Pure.

Bounds here protect the server (memory, columns); the text limit that a person can run into is checked by the
session, which can answer with the message's id.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Token = Annotated[str, Meta(min_length=1, max_length=8_192)]
BroadcastId = Annotated[str, Meta(pattern=r"^bc_[0-9a-z_]{1,40}\Z")]
CommentId = Annotated[str, Meta(pattern=r"^cm_[0-9a-z_]{1,40}\Z")]
AccountId = Annotated[str, Meta(pattern=r"^ac_[0-9a-z_]{1,40}\Z")]
# No NUL: Postgres cannot keep it.
Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*\Z")]
PollId = Annotated[str, Meta(pattern=r"^pl_[0-9a-z_]{1,40}\Z")]
OfficialText = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*\Z")]
PollText = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00]*\Z")]
# Printable ASCII: the id comes back in acks and stands in a unique index, so nothing that normalises or hides.
MessageId = Annotated[str, Meta(pattern=r"^[!-~]{1,64}\Z")]


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """The first frame: who, into which room, from which installation, and for one who returns what it had reached."""

    token: Token
    broadcast_id: BroadcastId
    client_id: MessageId
    lang: Annotated[str, Meta(max_length=35)] | None = None
    epoch: Annotated[str, Meta(max_length=64)] | None = None
    offset: int | None = None


class RefreshAuth(Struct, frozen=True, tag_field="type", tag="auth.refresh"):
    """A newer token of the same person, before the old one expires."""

    token: Token


class PostComment(Struct, frozen=True, tag_field="type", tag="comment"):
    """Say or ask something; the same `id` again is the same comment."""

    id: MessageId
    text: str
    kind: Literal["comment", "question"] = "comment"


class Like(Struct, frozen=True, tag_field="type", tag="like"):
    """This client's cumulative likes in this broadcast; a lost or repeated frame changes nothing."""

    count: Annotated[int, Meta(ge=0, le=100_000)]


class Tip(Struct, frozen=True, tag_field="type", tag="tip"):
    """Give applause points; the same `id` again is the same tip."""

    id: MessageId
    points: Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Pin(Struct, frozen=True, tag_field="type", tag="pin"):
    """Pin a comment, or with null take the pinned one down."""

    id: MessageId
    comment_id: CommentId | None


class Remove(Struct, frozen=True, tag_field="type", tag="remove"):
    """Withdraw a comment from every screen."""

    id: MessageId
    comment_id: CommentId
    reason: Reason


class Visibility(Struct, frozen=True, tag_field="type", tag="visibility"):
    """The page went to the background, or came back."""

    hidden: bool


class Release(Struct, frozen=True, tag_field="type", tag="release"):
    """Let a held comment through; of one that is shown, settle what was reported."""

    id: MessageId
    comment_id: CommentId
    reason: Reason


class Mute(Struct, frozen=True, tag_field="type", tag="mute"):
    """Let an account say nothing here for so long; 0 seconds lifts it."""

    id: MessageId
    account_id: AccountId
    seconds: Annotated[int, Meta(ge=0, le=30 * 86_400)]
    reason: Reason


class Ban(Struct, frozen=True, tag_field="type", tag="ban"):
    """Send an account out of every room and stream until it is lifted."""

    id: MessageId
    account_id: AccountId
    reason: Reason
    lift: bool = False


class SetRules(Struct, frozen=True, tag_field="type", tag="rules"):
    """Who of the viewers may talk, and how often; both rules are given each time."""

    id: MessageId
    muted_all: bool
    slow_s: Annotated[int, Meta(ge=0, le=600)]
    reason: Reason


class Report(Struct, frozen=True, tag_field="type", tag="report"):
    """Tell the monitor of a comment, or with null of the show."""

    id: MessageId
    comment_id: CommentId | None
    reason: Reason


class PickQuestion(Struct, frozen=True, tag_field="type", tag="pick"):
    """Take up a question; it is shown to all until it is answered."""

    id: MessageId
    comment_id: CommentId


class Answer(Struct, frozen=True, tag_field="type", tag="answer"):
    """Answer officially, a question or with null unasked."""

    id: MessageId
    comment_id: CommentId | None
    text: OfficialText


class Announce(Struct, frozen=True, tag_field="type", tag="announce"):
    """Tell the whole room something; it replaces what was announced before."""

    id: MessageId
    text: OfficialText


class OpenPoll(Struct, frozen=True, tag_field="type", tag="poll.open"):
    """Ask the room to choose; one poll is open at a time."""

    id: MessageId
    question: PollText
    options: Annotated[list[PollText], Meta(min_length=2, max_length=6)]


class ClosePoll(Struct, frozen=True, tag_field="type", tag="poll.close"):
    """Take no more votes."""

    id: MessageId
    poll_id: PollId


class Vote(Struct, frozen=True, tag_field="type", tag="vote"):
    """Choose an option, counted from 0; the first vote stays."""

    id: MessageId
    poll_id: PollId
    choice: Annotated[int, Meta(ge=0, le=5)]


TalkCommand = PickQuestion | Answer | Announce | OpenPoll | ClosePoll | Vote
MonitorsCommand = Release | Mute | Ban | SetRules | Report
Command = PostComment | Like | Visibility | Tip | Pin | Remove | MonitorsCommand | TalkCommand
ClientFrame = Hello | RefreshAuth | Command
