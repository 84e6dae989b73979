"""The one who asks, as a session's token names them. Pure."""

from dataclasses import dataclass

ROLES = ("viewer", "host", "guest", "monitor", "checker", "operator")
STAFF = frozenset({"host", "guest", "monitor", "checker", "operator"})


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified subject.

    `expires_at_s` is epoch seconds; `broadcast_id` limits the token to one broadcast, None does not.
    """

    account_id: str
    role: str
    nickname: str
    expires_at_s: int
    broadcast_id: str | None = None

    def covers(self, broadcast_id: str) -> bool:
        """Say whether this token is good for that broadcast, as far as its scope goes."""
        return self.broadcast_id in (None, broadcast_id)

    @property
    def is_staff(self) -> bool:
        """Staff see held comments and unapproved products."""
        return self.role in STAFF
