"""What the server says: one struct for each event type of docs/protocol.md. Pure.

A field that may be left out is UNSET; a field that may be null is None.
"""

from typing import Any, Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json

Verdict = Literal["pass", "hold", "block"]
Kind = Literal["comment", "question"]
Publisher = Literal["none", "flowing", "stalled"]


class Author(Struct, frozen=True):
    """Who wrote a comment, as other viewers see them."""

    account_id: str
    nickname: str
    role: str


class Comment(Struct, frozen=True):
    """A comment as stored; `verdict` stands only where staff see one that is held, or in an ack."""

    comment_id: str
    kind: Kind
    author: Author
    text: str
    at_ms: int
    stream_time_ms: int | None
    verdict: Verdict | UnsetType = UNSET


class CommentPosted(Comment, frozen=True, tag_field="type", tag="comment"):
    """A comment reached the room."""


class CommentRemoved(Struct, frozen=True, tag_field="type", tag="comment_removed"):
    """A comment was withdrawn."""

    comment_id: str


class Pinned(Struct, frozen=True, tag_field="type", tag="pinned"):
    """The pinned comment changed; None when there is none."""

    comment: Comment | None


class LikesCounted(Struct, frozen=True, tag_field="type", tag="likes"):
    """The sum of every client's highest count."""

    total: int


class PresenceCounted(Struct, frozen=True, tag_field="type", tag="presence"):
    """Connections in the room, over all gateways."""

    online: int


class TipGiven(Struct, frozen=True, tag_field="type", tag="tip"):
    """Someone gave applause points."""

    nickname: str
    points: int
    stream_time_ms: int | None


class CardShown(Struct, frozen=True, tag_field="type", tag="card_shown"):
    """A product card, as in docs/protocol.md, stands on the stage."""

    card: dict[str, Any]
    shown_at_ms: int
    stream_time_ms: int | None


class CardPulled(Struct, frozen=True, tag_field="type", tag="card_pulled"):
    """The card was taken down."""

    product_id: str
    reason: str


class QuotaChanged(Struct, frozen=True, tag_field="type", tag="quota"):
    """What is left of a product, in minor units."""

    product_id: str
    left_minor: int
    total_minor: int
    currency: str


class StateChanged(Struct, frozen=True, tag_field="type", tag="state"):
    """The broadcast or its publisher changed state."""

    state: str
    publisher: Publisher
    stream_time_ms: int | None


class OrderChanged(Struct, frozen=True, tag_field="type", tag="order"):
    """An order moved; sent to its owner only."""

    order_id: str
    state: str
    amount_minor: int
    currency: str
    product_id: str
    refusal: str | UnsetType = UNSET


class Restricted(Struct, frozen=True, tag_field="type", tag="restricted"):
    """To the person: you were muted here (or may talk again)."""

    kind: Literal["muted", "unmuted"]
    until_ms: int | None
    reason: str


class PictureChanged(Struct, frozen=True, tag_field="type", tag="picture"):
    """To the viewer: its network does not carry even the smallest picture, or carries it again; sound goes on."""

    withheld: bool


class PublisherLimitChanged(Struct, frozen=True, tag_field="type", tag="publisher_limit"):
    """To staff: the publisher sends more than it may and what is beyond is shed, or keeps within it again."""

    limited: bool
    limit_bps: int


class RulesChanged(Struct, frozen=True, tag_field="type", tag="rules"):
    """Who of the viewers may talk, and how often."""

    muted_all: bool
    slow_s: int


class Reported(Struct, frozen=True, tag_field="type", tag="reported"):
    """To staff: viewers reported a comment, or with None the show; `count` people so far."""

    comment_id: str | None
    count: int
    reason: str


class Speaker(Struct, frozen=True):
    """Who speaks for the bank; `licence_no` is empty for who has none and may not answer."""

    account_id: str
    display_name: str
    licence_no: str


class QuestionMoved(Struct, frozen=True, tag_field="type", tag="question"):
    """A question was taken up, or answered."""

    state: Literal["picked", "answered"]
    comment: Comment


class OfficialWord(Struct, frozen=True):
    """What the bank says in the room; `comment` is the question that it answers."""

    word_id: str
    text: str
    by: Speaker
    at_ms: int
    stream_time_ms: int | None
    comment: Comment | None = None


class Answered(OfficialWord, frozen=True, tag_field="type", tag="answer"):
    """An official answer."""


class Announced(OfficialWord, frozen=True, tag_field="type", tag="announcement"):
    """An announcement; it replaces the one before."""


class Poll(Struct, frozen=True):
    """A poll with its votes by option."""

    poll_id: str
    question: str
    options: list[str]
    votes: list[int]
    open: bool


class PollChanged(Struct, frozen=True, tag_field="type", tag="poll"):
    """A poll was opened or closed."""

    poll: Poll


class PollCounted(Struct, frozen=True, tag_field="type", tag="poll_tally"):
    """The votes so far."""

    poll_id: str
    votes: list[int]


class TalkState(Struct, frozen=True):
    """What a joiner finds of rules, questions, announcements and polls."""

    rules: RulesChanged
    question: Comment | None
    announcement: OfficialWord | None
    poll: Poll | None


class You(Struct, frozen=True):
    """The viewer's own identity in the room."""

    account_id: str
    nickname: str
    role: str


class Limits(Struct, frozen=True):
    """What a client may send."""

    text_chars: int
    comments_per_10s: int


NO_SNAPSHOT: Final = Raw(b"null")


class Welcome(Struct, frozen=True, tag_field="type", tag="welcome"):
    """The answer to `hello`; `snapshot` is encoded once and shared by joiners of the same moment.

    `epoch` and `offset` are what the client has reached with this frame. `recovered`: it returned and this frame
    holds exactly what it missed, so that it needs no snapshot and `snapshot` is `NO_SNAPSHOT`.
    """

    connection_id: str
    server_time_ms: int
    heartbeat_s: float
    reconnect_after_ms: int
    you: You
    limits: Limits
    points_balance: int | None
    epoch: str
    offset: int
    recovered: bool
    snapshot: Raw


class Ack(Struct, frozen=True, tag_field="type", tag="ack"):
    """A command is done and durable."""

    id: str
    verdict: Literal["pass", "hold", "block", "done"]
    comment: Comment | UnsetType = UNSET
    points_balance: int | UnsetType = UNSET


class Erred(Struct, frozen=True, tag_field="type", tag="error"):
    """A frame or command was refused; `code` is stable."""

    code: str
    message: str
    id: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class Heartbeat(Struct, frozen=True, tag_field="type", tag="heartbeat"):
    """The server is there; sent because browsers cannot see pings."""

    server_time_ms: int


class PositionReached(Struct, frozen=True, tag_field="type", tag="position"):
    """Closes a frame of the room: everything up to `offset` was told, but for what the two counts say.

    `sampled_out` comments were left out because more came than a person can read, `shed` events because this
    connection does not keep up; `lost` says that events are gone which nobody can bring back.
    """

    epoch: str
    offset: int
    sampled_out: int | UnsetType = UNSET
    shed: int | UnsetType = UNSET
    lost: bool | UnsetType = UNSET


class Bye(Struct, frozen=True, tag_field="type", tag="bye"):
    """The close frame follows."""

    code: int
    reason: str
    reconnect: bool
    retry_after_ms: int | None


class Snapshot(Struct, frozen=True):
    """The room as a joiner finds it."""

    broadcast: dict[str, Any]
    state: str
    publisher: Publisher
    stream_time_ms: int | None
    card: dict[str, Any] | None
    pinned: Comment | None
    comments: list[Comment]
    likes: int
    online: int
    tips_enabled: bool
    talk: TalkState | None = None
    sale_stopped: str | None = None


_snapshots: json.Decoder[Snapshot | None] = json.Decoder(Snapshot | None)


def snapshot_of(welcome: Welcome) -> Snapshot | None:
    """Read a welcome's snapshot, None where the client recovered; raises msgspec.DecodeError."""
    return _snapshots.decode(welcome.snapshot)


class RoomRestored(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """Events were lost that nobody can bring back: the room as it is now, in place of what is shown."""

    snapshot: Raw


RoomEvent = (
    CommentPosted
    | CommentRemoved
    | Pinned
    | LikesCounted
    | PresenceCounted
    | TipGiven
    | CardShown
    | CardPulled
    | QuotaChanged
    | StateChanged
    | OrderChanged
    | Restricted
    | PictureChanged
    | PublisherLimitChanged
    | RulesChanged
    | Reported
    | QuestionMoved
    | Answered
    | Announced
    | PollChanged
    | PollCounted
    | RoomRestored
)
ServerEvent = RoomEvent | Welcome | Ack | Erred | Heartbeat | PositionReached | Bye
