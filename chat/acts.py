"""What staff did to a room: who, when and why. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Act:
    """Who did it, when (UTC) and why; kept for every act.

    With a `client_message_id` it is done once: the same id of the same actor in a broadcast is the same act again.
    """

    actor_id: str
    reason: str | None
    at: datetime
    client_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedAct:
    """One row of the record of acts."""

    act: str
    comment_id: str | None
    account_id: str | None
    actor_id: str
    reason: str | None
    detail: str | None
    at: datetime
