"""What crosses from the sale to the room: a committed fact becomes a room event."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import msgspec

from chat.broker import Broker
from chat.envelope import Sealed, seal
from chat.events import CardPulled, CardShown, OrderChanged, QuotaChanged, RoomEvent, TipGiven
from commerce.facts import Fact
from commerce.ports import FactUnreadable

_EVENTS: dict[str, type[RoomEvent]] = {
    "card_shown": CardShown,
    "card_pulled": CardPulled,
    "quota": QuotaChanged,
    "order": OrderChanged,
    "tip": TipGiven,
}
_REMEMBERED = 4_096
Traced = Callable[[str, str], AbstractContextManager[object]]


class Announcer:
    """Publishes facts in the order they come; a fact that comes again is passed over while it is remembered."""

    def __init__(self, broker: Broker, traced: Traced | None = None) -> None:
        """`traced` notes the announcement of a fact that belongs to a trace: its kind and `traceparent`."""
        self._broker = broker
        self._traced = traced
        self._announced: OrderedDict[str, None] = OrderedDict()

    async def take(self, fact: Fact) -> None:
        """Hand one fact to its room.

        Raises chat's Unavailable when Redis did not take it, so that it comes again, and FactUnreadable for one that is
        no event of its kind.
        """
        if fact.name in self._announced:
            return
        sealed = _sealed(fact)
        with self._noted(fact):
            await self._broker.publish(fact.broadcast_id, sealed)
        self._announced[fact.name] = None
        if len(self._announced) > _REMEMBERED:
            self._announced.popitem(last=False)

    def _noted(self, fact: Fact) -> AbstractContextManager[object]:
        if self._traced is None or fact.trace is None:
            return nullcontext()
        return self._traced(fact.kind, fact.trace)


def _sealed(fact: Fact) -> Sealed:
    try:
        event = msgspec.convert(fact.payload, _EVENTS[fact.kind])
    except (KeyError, msgspec.ValidationError) as error:
        raise FactUnreadable(f"no {fact.kind} event: {error}") from error
    return seal(event, to=fact.account_id, once=f"fact/{fact.name}")
