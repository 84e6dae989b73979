"""What a room says: one struct for each of its event types in docs/protocol.md. Pure.

A field that may be left out is UNSET; a field that may be null is None.
"""

from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

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
