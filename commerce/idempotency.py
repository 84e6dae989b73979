"""One key, one answer: what identifies a customer's command, and its final answer. Pure.

The key is unique per customer and operation and stored with a hash of the body. Answers that are final (a result or a
Refusal) are repeated; what may pass by waiting (Unavailable) and a caller's mistakes are not stored.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from commerce.errors import IllegalMove, Refusal

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do this command, as the customer's key and the body's hash describe it."""

    customer_id: str
    operation: str
    key: str
    body_sha256: bytes
    at: datetime
    wait_s: float  # how long to wait for the same command under way elsewhere


class Answer(msgspec.Struct, frozen=True):
    """A stored final answer: a result, or a refusal's code, detail and extra."""

    result: dict[str, Any] | None = None
    code: str | None = None
    detail: str = ""
    extra: dict[str, Any] = {}

    def open(self, kind: type[T]) -> T:
        """Return the result, or raise the refusal again."""
        if self.code == "illegal_move":
            raise IllegalMove(self.extra["state"], self.extra["allowed"], self.detail)
        if self.code is not None:
            raise Refusal(self.code, self.detail, **self.extra)
        assert self.result is not None
        return msgspec.convert(self.result, kind)


def body_hash(*fields: object) -> bytes:
    """Hash a command's fields; equal commands have equal hashes whatever the JSON looked like."""
    return hashlib.sha256(msgspec.json.encode(fields)).digest()
