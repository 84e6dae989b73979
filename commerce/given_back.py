"""What the end of an order gives back: quota and the customer's maximum, told to those whom it concerns. Does I/O."""

from datetime import datetime

from commerce.dependencies import Dependencies
from commerce.order import Decision
from commerce.receipt import order_changed
from commerce.stage import tell_quota
from commerce.uow_postgres import Unit


async def give_back(given: Dependencies, unit: Unit, decision: Decision, now: datetime) -> None:
    """Release what an order held; the caller holds its row and saves the decision in the same transaction."""
    ended = decision.order
    await unit.quotas.give_back_position(ended.customer_id, ended.product_id, ended.amount.amount_minor)
    await unit.outbox.add(order_changed(ended), now)
    showing = await unit.showings.broadcasts_showing(ended.product_id)
    quota = await unit.quotas.give_back(ended.product_id, ended.amount.amount_minor)
    before = quota.take(ended.amount.amount_minor)
    await tell_quota(given, unit, ended.product_id, ended.amount.currency, before, quota, showing)
