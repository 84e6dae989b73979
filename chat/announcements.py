"""What the rest of the product tells a room: one method for each fact. I/O only through the broker."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from chat.broker import Broker
from chat.envelope import seal
from chat.events import CardPulled, CardShown, OrderChanged, Publisher, QuotaChanged, StateChanged, TipGiven


class Announcements:
    """Each call is handed to the broker before it returns and raises Unavailable when it was not.

    Delivery is the broker's, at most once: repeat after an error. A state that ends the broadcast (`ended`,
    `terminated`, `cancelled`, …) also sends everyone away with 4504, in every process.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def state(
        self,
        broadcast_id: str,
        *,
        state: str,
        publisher: Publisher,
        stream_time_ms: int | None,
    ) -> None:
        """The broadcast's or its publisher's state changed."""
        await self._broker.publish(broadcast_id, seal(StateChanged(state, publisher, stream_time_ms)))

    async def card_shown(
        self, broadcast_id: str, *, card: Mapping[str, Any], shown_at_ms: int, stream_time_ms: int | None
    ) -> None:
        """A card (as in docs/protocol.md) was put on the stage; tips go off."""
        await self._broker.publish(broadcast_id, seal(CardShown(dict(card), shown_at_ms, stream_time_ms)))

    async def card_pulled(self, broadcast_id: str, *, product_id: str, reason: str) -> None:
        """The card was taken down; tips come back."""
        await self._broker.publish(broadcast_id, seal(CardPulled(product_id, reason)))

    async def quota(
        self, broadcast_id: str, *, product_id: str, left_minor: int, total_minor: int, currency: str
    ) -> None:
        """What is left of a product changed."""
        await self._broker.publish(broadcast_id, seal(QuotaChanged(product_id, left_minor, total_minor, currency)))

    async def tip(self, broadcast_id: str, *, nickname: str, points: int, stream_time_ms: int | None) -> None:
        """A tip was committed."""
        await self._broker.publish(broadcast_id, seal(TipGiven(nickname, points, stream_time_ms)))

    async def order(
        self,
        broadcast_id: str,
        *,
        account_id: str,
        order_id: str,
        state: str,
        amount_minor: int,
        currency: str,
        product_id: str,
        refusal: str | None = None,
    ) -> None:
        """An order moved; only its owner's connections are told."""
        event = OrderChanged(order_id, state, amount_minor, currency, product_id, UNSET if refusal is None else refusal)
        await self._broker.publish(broadcast_id, seal(event, to=account_id))
