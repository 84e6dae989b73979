"""Use-case of submitting: the core freezes the funds between two transactions, and whatever happens it ends once.

The first transaction writes down what the core will be asked, under a reference of its own; the second takes its
answer. Between them the order is `submitted`, its quota held. Who comes upon it there, a repeat of the customer or the
sweeper (`unsettled`), asks the core what became of the reference: nobody has to know whether somebody else is at it.
"""

from datetime import datetime, timedelta

import msgspec

from commerce import order
from commerce.core import Hold, HoldState
from commerce.core_asked import AskedCore, known
from commerce.dependencies import Dependencies
from commerce.errors import Forbidden, NotFound, Refusal
from commerce.evidence import is_evidence
from commerce.given_back import give_back
from commerce.idempotency import Answer, Claim, body_hash
from commerce.keys_postgres import in_progress
from commerce.once import refused_once
from commerce.order import AWAITS_CORE, Decision, Order, State
from commerce.ports import BroadcastFacts
from commerce.purchase import raise_first, submit_refusal, window_refusal
from commerce.receipt import OrderView, make_receipt, order_changed
from commerce.suitability import lasting_refusals
from commerce.uow_postgres import Unit
from commerce.witness import read_file, save_witnessed


class Submission:
    """Hands reservations in to the core, and takes what it says of them."""

    def __init__(self, given: Dependencies, core: AskedCore) -> None:
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
        state = await self._ask(hold_of(begun), resumed=resumed)
        return await self.conclude(begun, state, facts)

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
        card = await unit.catalogue.card(locked.product_id, locked.card_version)
        assert card is not None, "an order has its card"
        stands = submit_refusal(facts, product.approved_version, locked.card_version)
        raise_first([stands, window_refusal(card.content, now)])
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
        answer = await self._core.query(hold.reference_id) if resumed else HoldState.NOT_KNOWN
        if answer is HoldState.NOT_KNOWN:
            answer = await self._core.freeze(hold)
        return known(answer)

    async def conclude(self, begun: Order, state: HoldState, facts: BroadcastFacts) -> OrderView:
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

    def _claim(self, customer_id: str, key: str, order_id: str) -> Claim:
        settings = self._given.settings
        return Claim(customer_id, "submit", key, body_hash(order_id), self._given.now(), settings.duplicate_wait_s)


def hold_of(submitted: Order) -> Hold:
    """What the core is asked about an order: the reference of its latest submission."""
    assert submitted.core_reference is not None, "it was submitted"
    return Hold(submitted.core_reference, submitted.customer_id, submitted.amount)
