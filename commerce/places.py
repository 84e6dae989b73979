"""Which broadcast a customer's acknowledgement or order belongs to. I/O through the unit of work."""

from commerce.dependencies import Dependencies


class Places:
    """Answers for the customer's own; what is another's, or nobody's, is None alike."""

    def __init__(self, given: Dependencies) -> None:
        self._given = given

    async def of_order(self, customer_id: str, order_id: str) -> str | None:
        """Return the broadcast in which this order was made."""
        async with self._given.units.glance() as unit:
            view = await unit.orders.view(order_id, customer_id)
        return None if view is None else view.broadcast_id

    async def of_acknowledgement(self, customer_id: str, acknowledgement_id: str) -> str | None:
        """Return the broadcast whose card was acknowledged."""
        async with self._given.units.glance() as unit:
            kept = await unit.customers.kept_reading(acknowledgement_id)
        if kept is None or kept.acknowledgement.customer_id != customer_id:
            return None
        return kept.acknowledgement.broadcast_id
