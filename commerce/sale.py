"""Use-cases of an order: reserve, extend, submit, cancel, expire, read."""

import contextlib
import logging
from datetime import datetime, timedelta

import msgspec

from commerce import order
from commerce.core_asked import AskedCore
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError, NotFound, Refusal, Unavailable
from commerce.given_back import give_back
from commerce.idempotency import Claim, body_hash
from commerce.once import once
from commerce.order import Order
from commerce.order_tally import OrderTally
from commerce.passed_over import PassedOver
from commerce.ports import BroadcastFacts
from commerce.receipt import OrderView, order_changed
from commerce.reservations import Reservations
from commerce.submission import Submission
from commerce.unsettled import Unsettled
from commerce.uow_postgres import Unit
from commerce.witness import save_witnessed

_EXPIRE_BATCH = 1_000  # at most this many a sweep, so that a sweep ends
_PURGE_BATCH = 5_000
_log = logging.getLogger(__name__)


class Sale:
    """Each command is one transaction, everything of it or nothing; only submitting takes two (`submission`)."""

    def __init__(self, given: Dependencies, core: AskedCore) -> None:
        self._given = given
        self._reservations = Reservations(given)
        self._submission = Submission(given, core)
        self._unsettled = Unsettled(given, core, self._submission)
        self.tally = OrderTally()
        self._passed_over = PassedOver()

    @property
    def waiting(self) -> int:
        """Reservations that wait for a group."""
        return self._reservations.waiting

    async def aclose(self) -> None:
        """Stop taking orders; who still waits hears `busy`."""
        await self._reservations.aclose()

    async def reserve(
        self, customer_id: str, acknowledgement_id: str, amount_minor: object, currency: object, key: str
    ) -> OrderView:
        """Hold quota for an acknowledged purchase; raises Refusal, Conflict or Unavailable as docs/protocol.md says."""
        reserving = self._reservations.reserve(customer_id, acknowledgement_id, amount_minor, currency, key)
        return await self.tally.of("reserve", reserving)

    async def submit(
        self, customer_id: str, order_id: str, key: str, *, authenticated_at: datetime | None = None
    ) -> OrderView:
        """Hand a reservation in: funds are frozen and the order is accepted, with its receipt (`submission`)."""
        return await self.tally.of("submit", self._submit(customer_id, order_id, key, authenticated_at))

    async def _submit(self, customer_id: str, order_id: str, key: str, authenticated_at: datetime | None) -> OrderView:
        view = await self.read(customer_id, order_id)
        facts = await self._given.read_broadcast(view.broadcast_id)
        try:
            return await self._submission.submit(customer_id, order_id, key, facts, authenticated_at)
        except Refusal as refusal:
            if refusal.code == "risk_mismatch":  # in a transaction of its own, as that of the refusal is undone
                async with self._given.units.begin() as unit:
                    mismatched = {(view.broadcast_id, customer_id)}
                    await unit.funnel.note_mismatches(view.product_id, mismatched, self._given.now())
            raise

    async def extend(self, customer_id: str, order_id: str, key: str) -> OrderView:
        """Give a reservation its time once more; raises IllegalMove the second time."""
        facts = await self._broadcast_of(customer_id, order_id)
        claim = self._claim(customer_id, "extend", key, body_hash(order_id))
        extending = once(
            self._given.units, claim, OrderView, lambda unit: self._extend(unit, customer_id, order_id, facts)
        )
        return await self.tally.of("extend", extending)

    async def _extend(self, unit: Unit, customer_id: str, order_id: str, facts: BroadcastFacts) -> OrderView:
        now = self._given.now()
        decision = order.extend(await _locked(unit, order_id, customer_id), now, self._given.settings.reservation_ttl)
        await unit.orders.save_extended(decision, facts.stream_time_ms)
        await unit.outbox.add(order_changed(decision.order), now)
        return await _viewed(unit, order_id, customer_id)

    async def purge_keys(self, now: datetime) -> int:
        """Forget idempotency keys whose time is over and return how many, in transactions of a bounded size."""
        before = now - timedelta(days=self._given.settings.idempotency_kept_days)
        purged = 0
        while True:
            async with self._given.units.begin() as unit:
                batch = await unit.keys.purge(before, _PURGE_BATCH)
            purged += batch
            if batch < _PURGE_BATCH:
                return purged

    async def settle_due(self, now: datetime) -> int:
        """Find out what became of submissions whose outcome is unknown, and pay back what is due."""
        return await self._unsettled.settle_due(now)

    async def cancel(self, customer_id: str, order_id: str, key: str) -> OrderView:
        """Give back a reservation, or an accepted order before its window closes; funds and quota are released."""
        facts = await self._broadcast_of(customer_id, order_id)
        claim = self._claim(customer_id, "cancel", key, body_hash(order_id))
        cancelling = once(
            self._given.units, claim, OrderView, lambda unit: self._cancel(unit, customer_id, order_id, facts)
        )
        cancelled = await self.tally.of("cancel", cancelling)
        if cancelled.receipt is not msgspec.UNSET:
            await self._pay_back(order_id)
        return cancelled

    async def _pay_back(self, order_id: str) -> None:
        """Now if it can be, else by the sweeper: the cancel is done either way."""
        with contextlib.suppress(Unavailable):
            await self._unsettled.pay_back(order_id)

    async def _cancel(self, unit: Unit, customer_id: str, order_id: str, facts: BroadcastFacts) -> OrderView:
        held = await _locked(unit, order_id, customer_id)
        card = await unit.catalogue.card(held.product_id, held.card_version)
        assert card is not None, "an order has its card"
        now = self._given.now()
        cut_off = card.content.window_closes_at - self._given.settings.cancel_closes_before
        decision = order.cancel(held, now, cut_off)
        await save_witnessed(self._given, unit, decision, facts)
        if held.state in order.HOLDS_FROZEN_FUNDS:
            await unit.orders.release_later(order_id)
        await give_back(self._given, unit, decision, now)
        return await _viewed(unit, order_id, customer_id)

    async def expire_due(self, now: datetime) -> int:
        """End the reservations whose time is over and return how many; safe to repeat and to run anywhere at once.

        One that cannot be ended, its rows being damaged, is passed over for a while: the others are ended.
        """
        for expired in range(_EXPIRE_BATCH):
            due: Order | None = None
            try:
                async with self._given.units.begin() as unit:
                    due = await unit.orders.lock_due(now, self._passed_over.at(now))
                    decision = None if due is None else order.expire(due, now)
                    if decision is None:
                        return expired
                    await unit.orders.save(decision, None)
                    await give_back(self._given, unit, decision, now)
            except CommerceError:
                raise
            except Exception:
                if due is None:
                    raise
                _log.exception("%s cannot be ended", due.order_id)
                self._passed_over.add(due.order_id, now)
            else:
                self.tally.counted["expire", decision.order.state.value] += 1
        return _EXPIRE_BATCH

    async def read(self, customer_id: str, order_id: str) -> OrderView:
        """One's own order; another customer's is NotFound `no_such_order`."""
        async with self._given.units.begin() as unit:
            view = await unit.orders.view(order_id, customer_id)
        if view is None:
            raise _no_such_order()
        return view

    async def own(
        self,
        customer_id: str,
        *,
        before: str | None,
        limit: int,
        open_only: bool = False,
        broadcast_id: str | None = None,
    ) -> list[OrderView]:
        """One's own orders, newest first, of one broadcast or of all.

        `open_only`: those that can be gone on with after the app was closed.
        """
        states = order.OPEN if open_only else None
        async with self._given.units.begin() as unit:
            return await unit.orders.views(customer_id, before, limit, states, broadcast_id)

    async def _broadcast_of(self, customer_id: str, order_id: str) -> BroadcastFacts:
        view = await self.read(customer_id, order_id)
        return await self._given.read_broadcast(view.broadcast_id)

    def _claim(self, customer_id: str, operation: str, key: str, body: bytes) -> Claim:
        wait_s = self._given.settings.duplicate_wait_s
        return Claim(customer_id, operation, key, body, self._given.now(), wait_s)


async def _locked(unit: Unit, order_id: str, customer_id: str) -> Order:
    locked = await unit.orders.lock(order_id, customer_id)
    if locked is None:
        raise _no_such_order()
    return locked


async def _viewed(unit: Unit, order_id: str, customer_id: str) -> OrderView:
    view = await unit.orders.view(order_id, customer_id)
    assert view is not None, "the order is locked by this transaction"
    return view


def _no_such_order() -> NotFound:
    return NotFound("no_such_order", "there is no such order")
