"""Use-cases of an order: reserve, submit, cancel, expire, read."""

from datetime import datetime

from commerce import ledger, order
from commerce.dependencies import Dependencies
from commerce.errors import NotFound, Refusal
from commerce.idempotency import Claim, body_hash
from commerce.ledger_postgres import Overdrawn
from commerce.once import once
from commerce.order import Decision, Order
from commerce.ports import BroadcastFacts
from commerce.purchase import (
    raise_first,
    submit_refusal,
)
from commerce.receipt import OrderView, make_receipt, order_changed, order_view
from commerce.reservations import Reservations
from commerce.stage import tell_quota
from commerce.uow_postgres import Unit

_EXPIRE_BATCH = 1_000  # at most this many a sweep, so that a sweep ends


class Sale:
    """Each command is one transaction: everything of it, or nothing."""

    def __init__(self, given: Dependencies) -> None:
        self._given = given
        self._reservations = Reservations(given)

    async def aclose(self) -> None:
        """Stop taking orders; who still waits hears `busy`."""
        await self._reservations.aclose()

    async def reserve(
        self, customer_id: str, acknowledgement_id: str, amount_minor: object, currency: object, key: str
    ) -> OrderView:
        """Hold quota for an acknowledged purchase; raises Refusal, Conflict or Unavailable as docs/protocol.md says."""
        return await self._reservations.reserve(customer_id, acknowledgement_id, amount_minor, currency, key)

    async def submit(self, customer_id: str, order_id: str, key: str) -> OrderView:
        """Hand a reservation in: funds are frozen and the order is accepted, with its receipt."""
        facts = await self._broadcast_of(customer_id, order_id)
        claim = self._claim(customer_id, "submit", key, body_hash(order_id))
        return await once(
            self._given.units, claim, OrderView, lambda unit: self._submit(unit, customer_id, order_id, facts)
        )

    async def _submit(self, unit: Unit, customer_id: str, order_id: str, facts: BroadcastFacts) -> OrderView:
        reserved = await _locked(unit, order_id, customer_id)
        now = self._given.now()
        submitted = order.submit(reserved, now)
        product = await unit.catalogue.product(reserved.product_id, "FOR SHARE")
        assert product is not None, "an order has its product"
        raise_first([submit_refusal(facts, product.approved_version, reserved.card_version)])
        await unit.orders.save(submitted, facts.stream_time_ms)
        freeze = ledger.freeze(self._given.new_id("tr"), order_id, customer_id, reserved.amount)
        try:
            await unit.ledger.post(freeze, now)
        except Overdrawn:
            raise Refusal("insufficient_funds", "the account holds less than the amount") from None
        accepted = order.accept(submitted.order, now)
        customer = await unit.customers.read(customer_id)
        acknowledgement = await unit.customers.acknowledgement(reserved.acknowledgement_id)
        card = await unit.catalogue.card(reserved.product_id, reserved.card_version)
        assert customer is not None and acknowledgement is not None and card is not None, "an order has these"  # noqa: PT018
        receipt = make_receipt(accepted.order, customer, card, acknowledgement, facts, now)
        await unit.orders.save(accepted, facts.stream_time_ms, receipt)
        await unit.outbox.add(order_changed(accepted.order), now)
        return order_view(accepted.order, card.content.name, receipt)

    async def cancel(self, customer_id: str, order_id: str, key: str) -> OrderView:
        """Give back a reservation, or an accepted order before its window closes; funds and quota are released."""
        facts = await self._broadcast_of(customer_id, order_id)
        claim = self._claim(customer_id, "cancel", key, body_hash(order_id))
        return await once(
            self._given.units, claim, OrderView, lambda unit: self._cancel(unit, customer_id, order_id, facts)
        )

    async def _cancel(self, unit: Unit, customer_id: str, order_id: str, facts: BroadcastFacts) -> OrderView:
        held = await _locked(unit, order_id, customer_id)
        card = await unit.catalogue.card(held.product_id, held.card_version)
        assert card is not None, "an order has its card"
        now = self._given.now()
        decision = order.cancel(held, now, card.content.window_closes_at)
        await unit.orders.save(decision, facts.stream_time_ms)
        if held.state in order.HOLDS_FROZEN_FUNDS:
            release = ledger.release(self._given.new_id("tr"), order_id, customer_id, held.amount)
            await unit.ledger.post(release, now)
        await self._release(unit, decision, now)
        view = await unit.orders.view(order_id, customer_id)
        assert view is not None, "the order is locked by this transaction"
        return view

    async def expire_due(self, now: datetime) -> int:
        """End the reservations whose time is over and return how many; safe to repeat and to run anywhere at once."""
        for expired in range(_EXPIRE_BATCH):
            async with self._given.units.begin() as unit:
                due = await unit.orders.lock_due(now)
                decision = None if due is None else order.expire(due, now)
                if decision is None:
                    return expired
                await unit.orders.save(decision, None)
                await self._release(unit, decision, now)
        return _EXPIRE_BATCH

    async def read(self, customer_id: str, order_id: str) -> OrderView:
        """One's own order; another customer's is NotFound `no_such_order`."""
        async with self._given.units.begin() as unit:
            view = await unit.orders.view(order_id, customer_id)
        if view is None:
            raise _no_such_order()
        return view

    async def own(self, customer_id: str, *, before: str | None, limit: int) -> list[OrderView]:
        """One's own orders, newest first."""
        async with self._given.units.begin() as unit:
            return await unit.orders.views(customer_id, before, limit)

    async def _broadcast_of(self, customer_id: str, order_id: str) -> BroadcastFacts:
        view = await self.read(customer_id, order_id)
        return await self._given.read_broadcast(view.broadcast_id)

    async def _release(self, unit: Unit, decision: Decision, now: datetime) -> None:
        """Give back what an order held of the customer's maximum and of the quota, and tell."""
        ended = decision.order
        await unit.quotas.give_back_position(ended.customer_id, ended.product_id, ended.amount.amount_minor)
        await unit.outbox.add(order_changed(ended), now)
        showing = await unit.showings.broadcasts_showing(ended.product_id)
        quota = await unit.quotas.give_back(ended.product_id, ended.amount.amount_minor)
        before = quota.take(ended.amount.amount_minor)
        await tell_quota(self._given, unit, ended.product_id, ended.amount.currency, before, quota, showing)

    def _claim(self, customer_id: str, operation: str, key: str, body: bytes) -> Claim:
        wait_s = self._given.settings.duplicate_wait_s
        return Claim(customer_id, operation, key, body, self._given.now(), wait_s)


async def _locked(unit: Unit, order_id: str, customer_id: str) -> Order:
    locked = await unit.orders.lock(order_id, customer_id)
    if locked is None:
        raise _no_such_order()
    return locked


def _no_such_order() -> NotFound:
    return NotFound("no_such_order", "there is no such order")
