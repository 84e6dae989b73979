"""Use-case of submitting: the core freezes the funds between two transactions, and whatever happens it ends once.

The first transaction writes down what the core will be asked, under a reference of its own; the second takes its
answer. Between them the order is `submitted`, its quota held. Who comes upon it there, a repeat of the customer or the
sweeper, asks the core what became of the reference: nobody has to know whether somebody else is still at it.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial

import msgspec

from commerce import order
from commerce.core import CoreBanking, Hold, HoldState
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError, Forbidden, NotFound, Refusal, Unavailable
from commerce.evidence import is_evidence
from commerce.given_back import give_back
from commerce.idempotency import Answer, Claim, body_hash
from commerce.keys_postgres import in_progress
from commerce.once import refused_once
from commerce.order import AWAITS_CORE, Decision, Order, State
from commerce.ports import BroadcastFacts
from commerce.purchase import raise_first, submit_refusal
from commerce.receipt import OrderView, make_receipt, order_changed
from commerce.suitability import lasting_refusals
from commerce.uow_postgres import Unit
from commerce.witness import read_file, save_witnessed

_log = logging.getLogger(__name__)
_BATCH = 200  # at most this many a sweep
_UNANSWERED = 3  # so many without an answer, and a sweep leaves the rest for the next


class Submission:
    """Hands reservations in to the core, and finds out what became of them."""

    def __init__(self, given: Dependencies, core: CoreBanking) -> None:
        self._given = given
        self._core = core

    async def submit(
        self, customer_id: str, order_id: str, key: str, facts: BroadcastFacts, authenticated_at: datetime | None
    ) -> OrderView:
        """Have the funds frozen; the order is then accepted, or `outcome_unknown` while the core has not answered.

        Raises Refusal, IllegalMove, NotFound, Conflict, Unavailable as docs/protocol.md says, and Forbidden
        `reauthentication_required`.
        """
        claim = self._claim(customer_id, key, order_id)
        stored, begun, resumed = await refused_once(
            self._given.units, claim, lambda unit: self._begin(unit, claim, order_id, facts, authenticated_at)
        )
        if stored is not None:
            return stored.open(OrderView)
        assert begun is not None, "there is an order without a stored answer"
        state = await self._ask(_hold(begun), resumed=resumed)
        return await self._conclude(begun, state, facts)

    async def _begin(
        self, unit: Unit, claim: Claim, order_id: str, facts: BroadcastFacts, authenticated_at: datetime | None
    ) -> tuple[Answer | None, Order | None, bool]:
        """Write down what the core will be asked; or find the stored answer, or the submission under way."""
        locked = await unit.orders.lock(order_id, claim.customer_id)
        stored = await unit.keys.find(claim)
        if stored is not None:
            return stored, None, False
        if locked is None:
            raise NotFound("no_such_order", "there is no such order")
        if locked.state in AWAITS_CORE:
            if locked.submit_key != claim.key:
                raise in_progress()
            return None, locked, True
        now = self._given.now()
        submitted = order.submit(locked, now, self._given.new_id("cr"), claim.key)
        self._require_identity(authenticated_at, now)
        product = await unit.catalogue.product(locked.product_id, "FOR SHARE")
        assert product is not None, "an order has its product"
        # What has been found of the customer since they reserved protects them as well.
        customer = await unit.customers.read(locked.customer_id)
        raise_first(lasting_refusals(customer, locked.risk_rating, now, self._given.settings.suitability))
        raise_first([submit_refusal(facts, product.approved_version, locked.card_version)])
        await unit.orders.save_submitted(submitted, facts.stream_time_ms, authenticated_at)
        return None, submitted.order, False

    def _require_identity(self, authenticated_at: datetime | None, now: datetime) -> None:
        within_s = self._given.settings.reauthentication_within_s
        if within_s is None:
            return
        if authenticated_at is None or now - authenticated_at > timedelta(seconds=within_s):
            detail = "prove who you are again, then submit"
            raise Forbidden("reauthentication_required", detail, within_s=within_s)

    async def _ask(self, hold: Hold, *, resumed: bool) -> HoldState:
        """Freeze; of a submission that was begun before, ask first. NOT_KNOWN when the core does not answer in time."""
        try:
            async with asyncio.timeout(self._given.settings.core_timeout_s):
                state = await self._core.query(hold.reference_id) if resumed else HoldState.NOT_KNOWN
                return await self._core.freeze(hold) if state is HoldState.NOT_KNOWN else state
        except (TimeoutError, OSError, Unavailable) as error:
            _log.warning("the core has not answered about %s: %s", hold.reference_id, error)
            return HoldState.NOT_KNOWN

    async def _conclude(self, begun: Order, state: HoldState, facts: BroadcastFacts) -> OrderView:
        """Take the core's answer, unless somebody else has; returns or raises what the key's answer is."""
        assert begun.submit_key is not None, "it was submitted under a key"
        claim = self._claim(begun.customer_id, begun.submit_key, begun.order_id)
        async with self._given.units.begin() as unit:
            locked = await unit.orders.lock(begun.order_id, begun.customer_id)
            assert locked is not None, "orders are never deleted"
            if locked.core_reference == begun.core_reference and locked.state in AWAITS_CORE:
                answer: Answer | None = await self._settle(unit, claim, locked, state, facts)
            else:
                answer = await unit.keys.find(claim)
        if answer is None:
            raise in_progress()
        return answer.open(OrderView)

    async def _settle(self, unit: Unit, claim: Claim, locked: Order, state: HoldState, facts: BroadcastFacts) -> Answer:
        now = self._given.now()
        decision = order.settle(locked, state, now)
        if decision is not None:
            await self._save(unit, decision, facts, now)
        view = await unit.orders.view(locked.order_id, locked.customer_id)
        assert view is not None, "its row is locked"
        if state is HoldState.NOT_KNOWN:
            return Answer(msgspec.to_builtins(view))  # not final, hence not kept
        answer = Answer(msgspec.to_builtins(view))
        if state is HoldState.REFUSED:
            refusal = Refusal("insufficient_funds", "the account holds less than the amount")
            answer = Answer(code=refusal.code, detail=refusal.detail)
        await unit.keys.keep(claim, answer)
        return answer

    async def _save(self, unit: Unit, decision: Decision, facts: BroadcastFacts, now: datetime) -> None:
        moved = decision.order
        if moved.state is State.REJECTED:
            await save_witnessed(self._given, unit, decision, facts)
            await give_back(self._given, unit, decision, now)
            return
        file = await read_file(unit, moved) if is_evidence(decision.moved) else None
        receipt = None
        if file is not None and moved.state is State.ACCEPTED:
            receipt = make_receipt(moved, file, facts, now)
        await save_witnessed(self._given, unit, decision, facts, file=file, receipt=receipt)
        await unit.outbox.add(order_changed(moved), now)

    async def resolve_due(self, now: datetime) -> int:
        """Ask the core about submissions that have waited long, and pay back what is due; returns how many ended.

        A submission that the core has never heard of is given up after a while, with a tombstone in the core first.
        A core that does not answer is left alone until the next sweep, which has reservations to end as well.
        """
        settings = self._given.settings
        async with self._given.units.begin() as unit:
            waiting = await unit.orders.awaiting(now - timedelta(seconds=settings.resolve_after_s), _BATCH)
            releases = await unit.orders.releases_due(_BATCH)
        give_up_before = now - timedelta(seconds=settings.void_after_s)
        work = [partial(self.pay_back, order_id) for order_id in releases]
        work += [partial(self._resolve, begun, give_up=moved_at <= give_up_before) for begun, moved_at in waiting]
        ended = unanswered = 0
        for step in work:
            if await step():
                ended += 1
            elif (unanswered := unanswered + 1) >= _UNANSWERED:
                break
        return ended

    async def _resolve(self, begun: Order, *, give_up: bool) -> bool:
        """Settle one submission; False when its outcome stays unknown."""
        hold = _hold(begun)
        try:
            async with asyncio.timeout(self._given.settings.core_timeout_s):
                state = await self._core.query(hold.reference_id)
                if state is HoldState.NOT_KNOWN and give_up:
                    state = await self._core.release(hold)
        except (TimeoutError, OSError, Unavailable) as error:
            _log.warning("the core has not answered about %s: %s", hold.reference_id, error)
            state = HoldState.NOT_KNOWN
        try:
            await self._conclude(begun, state, await self._given.read_broadcast(begun.broadcast_id))
        except Refusal:
            return True
        except CommerceError as error:
            _log.warning("%s stays unresolved for now: %s", begun.order_id, error)
            return False
        return state is not HoldState.NOT_KNOWN

    async def pay_back(self, order_id: str) -> bool:
        """Release the funds of a cancelled order; False when the core does not answer now (the sweeper comes back)."""
        async with self._given.units.begin() as unit:
            cancelled = await unit.orders.lock(order_id)
        assert cancelled is not None, "orders are never deleted"
        try:
            async with asyncio.timeout(self._given.settings.core_timeout_s):
                await self._core.release(_hold(cancelled))
        except (TimeoutError, OSError, Unavailable) as error:
            _log.warning("the core has not released %s: %s", cancelled.core_reference, error)
            return False
        async with self._given.units.begin() as unit:
            await unit.orders.released(order_id)
        return True

    def _claim(self, customer_id: str, key: str, order_id: str) -> Claim:
        settings = self._given.settings
        return Claim(customer_id, "submit", key, body_hash(order_id), self._given.now(), settings.duplicate_wait_s)


def _hold(submitted: Order) -> Hold:
    assert submitted.core_reference is not None, "it was submitted"
    return Hold(submitted.core_reference, submitted.customer_id, submitted.amount)
