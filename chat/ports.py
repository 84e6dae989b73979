"""What the room needs from outside, as narrow Protocols; `server` injects the real ones. No I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chat.events import Publisher


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified person. `expires_at_s` is epoch seconds; `broadcast_id` limits the token to one broadcast."""

    account_id: str
    role: str
    nickname: str
    expires_at_s: float
    broadcast_id: str | None = None


class Authenticator(Protocol):
    """Verifies tokens."""

    async def authenticate(self, token: str) -> Principal:
        """Return whose token this is.

        Raises AuthenticationFailed `token_expired` for a token that was good, `banned` for a good one of a person who
        may not take part, `unauthenticated` for any other.
        """


@dataclass(frozen=True, slots=True)
class BroadcastFacts:
    """What a joiner is told of a broadcast.

    `broadcast` is the HTTP resource without `allowed_moves`; `card` as in docs/protocol.md or None;
    `tips_enabled` says whether tips are on now, the card considered; for the roles in `hidden_from` there is no such
    broadcast. `sale_stopped` is the code of why the last card was taken down where nobody chose to, until one is shown.
    """

    broadcast: Mapping[str, Any]
    state: str
    publisher: Publisher
    stream_time_ms: int | None
    card: Mapping[str, Any] | None
    tips_enabled: bool
    hidden_from: frozenset[str] = frozenset()
    sale_stopped: str | None = None

    @property
    def host_id(self) -> str | None:
        """The account of this broadcast's host."""
        host = self.broadcast.get("host")
        return host.get("account_id") if host else None


class BroadcastReader(Protocol):
    """Reads the broadcast's side of a snapshot."""

    async def read(self, broadcast_id: str) -> BroadcastFacts | None:
        """Return what is so now (a committed change is seen at once), or None when there is no such broadcast."""


class StreamClock(Protocol):
    """The one clock of a broadcast."""

    async def stream_time_ms(self, broadcast_id: str) -> int | None:
        """Return the broadcast's time now, None before its first media packet; never raises, answers in about 1 ms."""


class TipDesk(Protocol):
    """The door to the points ledger.

    The ledger's own outbox announces the tip to the room after commit; the gateway does not.
    """

    async def tip(self, account_id: str, broadcast_id: str, points: int, key: str) -> int:
        """Give points once for this key, however often called; return the balance left.

        Raises TipRefused with the ledger's code. Durable when it returns.
        """

    async def balance(self, account_id: str) -> int:
        """Return the viewer's points."""
