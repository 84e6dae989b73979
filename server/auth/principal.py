"""The one who asks, as a session's token names them. Pure."""

from dataclasses import dataclass
from datetime import datetime

ROLES = ("viewer", "host", "guest", "monitor", "checker", "operator")
STAFF = frozenset({"host", "guest", "monitor", "checker", "operator"})


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified subject.

    `expires_at_s` is epoch seconds; `broadcast_id` limits the token to one broadcast, None does not.
    `of_bank`: the token is the bank's own issuer's, not ours; `verified`: the person's real name is;
    `authenticated_at`: when they last proved who they are, where the token says so.
    `signed_in_at_s`: when the password of our own session was typed, however often it was refreshed since.
    """

    account_id: str
    role: str
    nickname: str
    expires_at_s: int
    broadcast_id: str | None = None
    of_bank: bool = False
    verified: bool = True
    authenticated_at: datetime | None = None
    signed_in_at_s: int = 0

    def covers(self, broadcast_id: str) -> bool:
        """Say whether this token is good for that broadcast, as far as its scope goes."""
        return self.broadcast_id in (None, broadcast_id)

    @property
    def is_staff(self) -> bool:
        """Staff see held comments and unapproved products."""
        return self.role in STAFF
