"""What every use-case of commerce is given. No I/O of its own."""

from dataclasses import dataclass
from typing import TypeVar

from commerce.card_view import CardView, card_view
from commerce.errors import Unavailable
from commerce.grouping import Grouping, Work
from commerce.ports import BroadcastFacts, BroadcastReader, Clock, NewId
from commerce.product import CardVersion
from commerce.quota import Quota, coarse_left_minor
from commerce.settings import CommerceSettings
from commerce.uow_postgres import Units

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """One per service, shared by its use-cases."""

    units: Units
    broadcasts: BroadcastReader
    now: Clock
    new_id: NewId
    settings: CommerceSettings

    async def read_broadcast(self, broadcast_id: str) -> BroadcastFacts:
        """Ask the broadcast's owner; raises Unavailable `busy` when it cannot say. Never inside a unit of work."""
        try:
            return await self.broadcasts.read(broadcast_id)
        except (TimeoutError, OSError) as error:
            detail = "the broadcast's state is not known now: try again"
            raise Unavailable("busy", detail, retry_after_s=1) from error

    def left_minor(self, quota: Quota) -> int:
        """What viewers may see of the quota left."""
        return coarse_left_minor(quota.left_minor, self.settings.quota_granularity_minor)

    def shown_card(self, card: CardVersion, quota: Quota) -> CardView:
        """The card as docs/protocol.md has it."""
        return card_view(card, quota.total_minor, self.left_minor(quota))

    def grouping(self, work: Work[T, R]) -> Grouping[T, R]:
        """Group the items of this work under load, within the settings' bounds."""
        settings = self.settings
        return Grouping(
            work,
            most=settings.order_group_most,
            waiting_limit=settings.order_queue_limit,
            wait_s=settings.order_queue_wait_s,
        )
