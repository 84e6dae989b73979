"""What crosses from the sale to the room: a committed fact becomes a room event."""

from collections import OrderedDict

import msgspec

from chat.broker import Broker
from chat.envelope import seal
from chat.events import CardPulled, CardShown, OrderChanged, QuotaChanged, RoomEvent, TipGiven
from commerce.facts import Fact

_EVENTS: dict[str, type[RoomEvent]] = {
    "card_shown": CardShown,
    "card_pulled": CardPulled,
    "quota": QuotaChanged,
    "order": OrderChanged,
    "tip": TipGiven,
}
_REMEMBERED = 4_096


class Announcer:
    """Publishes facts in the order they come; a fact that comes again is passed over while it is remembered."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._announced: OrderedDict[int, None] = OrderedDict()

    async def take(self, fact: Fact) -> None:
        """Hand one fact to its room; raises chat's Unavailable when Redis did not take it, so that it comes again."""
        if fact.fact_id in self._announced:
            return
        event = msgspec.convert(fact.payload, _EVENTS[fact.kind])
        await self._broker.publish(fact.broadcast_id, seal(event, to=fact.account_id, once=f"fact/{fact.fact_id}"))
        self._announced[fact.fact_id] = None
        if len(self._announced) > _REMEMBERED:
            self._announced.popitem(last=False)
