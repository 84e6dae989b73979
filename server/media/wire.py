"""What the api and the media processes say to each other: MessagePack over HTTP, with a shared secret. Pure.

MessagePack rather than JSON, which has no infinity: a right may have no end.
"""

import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from streaming.errors import MediaUnreachable, StreamingError

INTERNAL = "/internal"
SESSIONS = f"{INTERNAL}/media/sessions"
LEGS = f"{INTERNAL}/media/legs"
MAX_BODY_BYTES = 256 * 1024
TYPE = "application/vnd.msgpack"
encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode


class NewSession(msgspec.Struct, frozen=True):
    """`kind`, `holder_id` and `until_s` as the resource will have them."""

    kind: str
    broadcast_id: str
    holder_id: str
    until_s: float
    offer: str


class Refusal(msgspec.Struct, frozen=True):
    """A StreamingError on its way."""

    code: str
    detail: str
    retry_after_s: int | None = None


@dataclass(frozen=True)
class InternalSecret:
    """Lets processes of one installation into each other's internal routes; made of the secret they share anyway."""

    value: str

    @classmethod
    def derived_from(cls, jwt_secret: str) -> "InternalSecret":
        """The same for all processes of an installation, and of no use for signing sessions."""
        return cls(hmac.digest(jwt_secret.encode(), b"wealthcast internal media signalling", hashlib.sha256).hex())

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries."""
        return {"Authorization": f"Bearer {self.value}"}

    def admits(self, authorization: str) -> bool:
        """Compare in constant time."""
        given = authorization.encode("utf-8", "surrogateescape")  # whatever bytes the header held
        return hmac.compare_digest(given, f"Bearer {self.value}".encode())


def _kinds(base: type[StreamingError]) -> dict[str, type[StreamingError]]:
    found = {base.code: base}
    for kind in base.__subclasses__():
        found |= _kinds(kind)
    return found


def error_of(refusal: Refusal) -> StreamingError:
    """The error as the engine over there raised it; a code that is unknown here (another version) is unreachable."""
    kind = _kinds(StreamingError).get(refusal.code, MediaUnreachable)
    return kind(refusal.detail, retry_after_s=refusal.retry_after_s)
