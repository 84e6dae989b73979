"""The port of what monitors do: acts, restrictions, rules, reports, and the queue they work through."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chat.acts import Act, RecordedAct
from chat.archive import CommentRecord
from chat.events import Comment
from chat.restrictions import Restriction, RoomRules


@dataclass(frozen=True, slots=True)
class InForce:
    """What holds for an account now and why; a `restriction` whose end has passed is none any more."""

    restriction: Restriction
    reason: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in restrictions and rules; `until_mark` is given back to ask for what changed since."""

    restrictions: Sequence[Restriction]
    rules: Sequence[tuple[str, RoomRules]]
    until_mark: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What viewers reported; `comment` None is the show itself. `count` people, the newest one's reason."""

    comment: Comment | None
    count: int
    reason: str
    at: datetime


class ModerationStore(Protocol):
    """Durable; every act and its record are one transaction. All raise Unavailable.

    An act that was done before (`Act.client_message_id`) changes nothing and returns how things stand by now.
    """

    async def release(self, broadcast_id: str, comment_id: str, act: Act) -> CommentRecord | None:
        """Let a held comment through and settle its reports; one that passed before only has its reports settled.

        Returns the comment, None for a repeat when it was withdrawn since. Raises CommandRefused `no_such_comment`;
        blocked and removed ones are none.
        """

    async def restrict(self, restriction: Restriction, broadcast_id: str, act: Act, *, lifts: bool) -> InForce:
        """Keep a mute or ban, or its lifting, made in this broadcast; return what holds now.

        Raises CommandRefused `no_such_account`; nothing is recorded then.
        """

    async def rule(self, broadcast_id: str, rules: RoomRules, act: Act) -> RoomRules:
        """Keep a room's rules; return those that hold now."""

    async def report(
        self, broadcast_id: str, comment_id: str | None, account_id: str, reason: str, at: datetime
    ) -> int:
        """Keep a report, one a person and thing; return how many people reported it.

        Raises CommandRefused `no_such_comment`.
        """

    async def changes(self, since: datetime | None) -> Changes:
        """Return what changed since a mark, some of it again; all that is in force for None."""

    async def held(self, broadcast_id: str, limit: int) -> list[Comment]:
        """Return the oldest held comments, oldest first."""

    async def reports(self, broadcast_id: str, limit: int) -> list[Report]:
        """Return open reports by thing, the most reported first."""

    async def acts(self, broadcast_id: str, limit: int) -> list[RecordedAct]:
        """Return the newest acts, newest first."""

    async def restricted(self, broadcast_id: str, now: datetime) -> list[Restriction]:
        """Return the mutes in this broadcast and the bans that are in force."""
