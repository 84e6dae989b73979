"""One event as it reached a room: its address, what the room acts on, and its place in the room's order. Pure."""

from dataclasses import dataclass

from chat.broker import Position
from chat.envelope import Envelope, Headline


@dataclass(frozen=True, slots=True)
class Arrival:
    """`place` counts this process's arrivals in the room; `position` is the event's place in the order of all.

    Totals, and what only this process says, have no position. `sampled_out`: left out for viewers, because more
    came than a person can read.
    """

    place: int
    envelope: Envelope
    headline: Headline
    position: Position | None = None
    sampled_out: bool = False

    @property
    def total_key(self) -> str | None:
        """What later values replace this one; None for an event that is not a total."""
        if self.envelope.importance != "total":
            return None
        return f"{self.headline.type}/{self.headline.product_id or self.headline.poll_id or ''}"

    def shown_to(self, account_id: str, moderates: bool) -> bool:
        """Say whether this person is shown the event."""
        return self.envelope.reaches(account_id, moderates) and (moderates or not self.sampled_out)
