"""What travels between processes: an event with its address, encoded once. Pure.

`{"to": account_id or null, "audience": "all" or "staff", "event": {...}, "importance": "must"}`, and `"trace"` where
the event belongs to a trace that is kept; the event's bytes are forwarded to viewers as they are.
"""

from dataclasses import dataclass, replace
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from chat.codec import encode, encode_event
from chat.events import CommentPosted, Publisher, RoomEvent
from chat.importance import Importance, importance_of

Audience = Literal["all", "staff"]


class Envelope(Struct, frozen=True):
    """`to` limits the event to one account's connections; else `audience` says who gets it.

    `trace`: the W3C `traceparent` of what published it, for the gateways' spans; no client is told.
    """

    to: str | None
    audience: Audience
    event: Raw
    importance: Importance = "must"
    trace: str | UnsetType = UNSET

    def reaches(self, account_id: str, moderates: bool) -> bool:
        """Say whether this person gets the event."""
        if self.to is not None:
            return self.to == account_id
        return self.audience == "all" or moderates


class CardHeadline(Struct, frozen=True):
    """Which product a card is of."""

    product_id: str


class Headline(Struct, frozen=True):
    """The fields of an event that a room itself acts on; all others stay bytes."""

    type: str
    state: str | None = None
    publisher: Publisher | None = None
    comment_id: str | None = None
    total: int | None = None
    card: CardHeadline | None = None
    product_id: str | None = None
    poll_id: str | None = None


_envelopes = msgspec.json.Decoder(Envelope)
_headlines = msgspec.json.Decoder(Headline)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encoded envelope and what a broker has to know of it.

    `author_id` stands for a comment that may be sampled out. `once` names the event, so that publishing it again,
    because it was not known whether the first time succeeded, changes nothing.
    """

    data: bytes
    importance: Importance = "must"
    author_id: str | None = None
    once: str | None = None

    def traced(self, traceparent: str) -> "Sealed":
        """Say in the envelope to which trace it belongs."""
        field = b'{"trace":' + msgspec.json.encode(traceparent) + b","
        return replace(self, data=field + self.data[1:])


def seal(event: RoomEvent, *, to: str | None = None, audience: Audience = "all", once: str | None = None) -> Sealed:
    """Encode an event with its address; a comment is published once for each audience by itself."""
    envelope = envelop(event, to=to, audience=audience)
    author_id = None
    if isinstance(event, CommentPosted):
        once = once or f"{event.comment_id}/{audience}"
        if envelope.importance == "may" and audience == "all":
            author_id = event.author.account_id
    return Sealed(encode(envelope), envelope.importance, author_id, once)


def envelop(event: RoomEvent, *, to: str | None = None, audience: Audience = "all") -> Envelope:
    """Put an event under its address and class."""
    role = event.author.role if isinstance(event, CommentPosted) else None
    return Envelope(to, audience, Raw(encode_event(event)), importance_of(tag_of(event), role))


def tag_of(event: RoomEvent) -> str:
    """Return the event's type as it stands on the wire."""
    return str(event.__struct_config__.tag)


def unseal(data: bytes) -> tuple[Envelope, Headline]:
    """Decode the address and the headline; raises msgspec.DecodeError for what is not an envelope."""
    envelope = _envelopes.decode(data)
    return envelope, unseal_headline(envelope)


def unseal_headline(envelope: Envelope) -> Headline:
    """Decode the headline; raises msgspec.DecodeError for what is not an event."""
    return _headlines.decode(envelope.event)
