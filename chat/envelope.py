"""What travels between processes: an event with its address, encoded once. Pure.

`{"to": account_id or null, "audience": "all" or "staff", "event": {...}}`; the event's bytes are forwarded to
viewers as they are.
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from chat.codec import encode, encode_event
from chat.events import RoomEvent

Audience = Literal["all", "staff"]


class Envelope(Struct, frozen=True):
    """`to` limits the event to one account's connections; else `audience` says who gets it."""

    to: str | None
    audience: Audience
    event: Raw

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
    comment_id: str | None = None
    total: int | None = None
    card: CardHeadline | None = None


_envelopes = msgspec.json.Decoder(Envelope)
_headlines = msgspec.json.Decoder(Headline)


def seal(event: RoomEvent, *, to: str | None = None, audience: Audience = "all") -> bytes:
    """Encode an event with its address."""
    return encode(Envelope(to, audience, Raw(encode_event(event))))


def unseal(data: bytes) -> tuple[Envelope, Headline]:
    """Decode the address and the headline; raises msgspec.DecodeError for what is not an envelope."""
    envelope = _envelopes.decode(data)
    return envelope, _headlines.decode(envelope.event)
