"""Use-cases of applause points: grant, tip, refund, read, expire."""

import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec

from commerce import ledger, points
from commerce.customers_postgres import CustomerAct
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError, Conflict, NotFound
from commerce.facts import tip_made
from commerce.idempotency import Claim, body_hash
from commerce.money import minor_units
from commerce.once import once
from commerce.passed_over import PassedOver
from commerce.points import Grant, TipContext
from commerce.points_postgres import PointEntry, Tip
from commerce.ports import BroadcastFacts
from commerce.purchase import raise_first, require_broadcast, require_on_air
from commerce.records import ByHand
from commerce.suitability import business_date, is_adult
from commerce.uow_postgres import Unit

_ENTRIES_SHOWN = 50
_EXPIRE_BATCH = 1_000
_log = logging.getLogger(__name__)


class TipDone(msgspec.Struct, frozen=True):
    """A tip that is durable, and what the customer holds after it."""

    tip_id: str
    points: int
    balance: int
    stream_time_ms: int | None


class TipRefund(msgspec.Struct, frozen=True):
    """A tip that was given back, and how many points."""

    tip_id: str
    points: int


class PointsView(msgspec.Struct, frozen=True):
    """A customer's points as docs/protocol.md has them."""

    balance: int
    daily_cap: int
    tipped_today: int
    entries: list[PointEntry]


class Applause:
    """Points never become money and never reach the host; the ledger keeps granted = held + spent + expired."""

    def __init__(self, given: Dependencies) -> None:
        self._given = given
        self._passed_over = PassedOver()

    async def grant(
        self, customer_id: str, amount: int, *, reason: str, expires_at: datetime, grant_id: str,
        by_hand: ByHand | None = None,
    ) -> bool:  # fmt: skip
        """Give points to a customer on record; False, changing nothing, when this grant_id was given already.

        Raises NotFound `no_such_customer`.
        """
        minor_units(amount)
        now = self._given.now()
        async with self._given.units.begin() as unit:
            added = await unit.points.add_grant(Grant(grant_id, amount, expires_at), customer_id, reason, now)
            if added and by_hand is not None:
                act = CustomerAct(grant_id, customer_id, "points", by_hand.actor, by_hand.reason, now)
                await unit.customers.note(act)
            if added:
                await unit.ledger.post(ledger.grant_points(grant_id, customer_id, amount), now)
            return added

    async def tip(self, customer_id: str, broadcast_id: str, amount: object, *, nickname: str, key: str) -> TipDone:
        """Spend points on a broadcast once a key; durable when it returns, and the room hears of it.

        Raises Refusal `bad_amount minor tips_off daily_cap insufficient_points`, Conflict `not_live` or
        `idempotency_conflict`, NotFound `no_such_broadcast`, Unavailable.
        """
        wanted = minor_units(amount)
        facts = await self._given.read_broadcast(broadcast_id)
        require_broadcast(facts)
        require_on_air(facts)
        wait_s = self._given.settings.duplicate_wait_s
        claim = Claim(customer_id, "tip", key, body_hash(broadcast_id, wanted), self._given.now(), wait_s)
        return await once(
            self._given.units, claim, TipDone,
            lambda unit: self._tip(unit, customer_id, broadcast_id, wanted, nickname, facts),
        )  # fmt: skip

    async def _tip(
        self, unit: Unit, customer_id: str, broadcast_id: str, wanted: int, nickname: str, facts: BroadcastFacts
    ) -> TipDone:  # fmt: skip
        now, settings = self._given.now(), self._given.settings
        customer = await unit.customers.read(customer_id, "FOR NO KEY UPDATE")
        await unit.showings.hold_shared(broadcast_id)
        today = business_date(now, settings.suitability)
        context = TipContext(
            adult=customer is not None and is_adult(customer, now, settings.suitability),
            card_shown=await unit.showings.open_on(broadcast_id) is not None,
            tipped_today=await unit.points.tipped_on(customer_id, today),
            daily_cap=settings.daily_tip_cap_points,
        )
        raise_first([points.tip_refusal(wanted, context)])
        grants = await unit.points.grants(customer_id, "FOR NO KEY UPDATE")
        uses = points.use_up(grants, wanted, now)
        tip = Tip(self._given.new_id("tp"), customer_id, broadcast_id, wanted, today, facts.stream_time_ms, now)
        await unit.points.use(uses)
        await unit.points.add_tip(tip, uses)
        await unit.ledger.post(ledger.spend_points(self._given.new_id("tr"), tip.tip_id, customer_id, wanted), now)
        await unit.outbox.add(tip_made(broadcast_id, tip.tip_id, nickname, wanted, facts.stream_time_ms), now)
        return TipDone(tip.tip_id, wanted, points.balance(grants, now) - wanted, facts.stream_time_ms)

    async def refund(self, tip_id: str, broadcast_id: str, actor_id: str, reason: str) -> TipRefund:
        """Give a tip back whole, to the grants it came from; repeating it changes nothing.

        Points whose grant has expired meanwhile expire at the next sweep. Raises NotFound `no_such_tip`, Conflict
        `tip_not_refundable` for a tip that is older than the record of what it used up.
        """
        now = self._given.now()
        async with self._given.units.begin() as unit:
            tip = await unit.points.tip(tip_id)
            if tip is None or tip.broadcast_id != broadcast_id:
                raise NotFound("no_such_tip", "there is no such tip in this broadcast")
            await unit.customers.read(tip.customer_id, "FOR NO KEY UPDATE")
            uses = await unit.points.uses(tip_id)
            if not uses:
                raise Conflict("tip_not_refundable", "what this tip used up is not on record")
            if await unit.points.add_refund(tip_id, actor_id, reason, now):
                await unit.points.use([(grant_id, -used) for grant_id, used in uses])
                transfer_id = self._given.new_id("tr")
                await unit.ledger.post(ledger.refund_points(transfer_id, tip_id, tip.customer_id, tip.points), now)
        return TipRefund(tip_id, tip.points)

    async def balance(self, customer_id: str) -> int:
        """Points the customer can tip now."""
        return (await self.balances([customer_id]))[customer_id]

    async def balances(self, customer_ids: Sequence[str]) -> dict[str, int]:
        """Points that each of these customers can tip now; 0 for one who was never given any."""
        async with self._given.units.begin() as unit:
            grants = await unit.points.grants_of(customer_ids)
        now = self._given.now()
        return {customer_id: points.balance(grants.get(customer_id, ()), now) for customer_id in customer_ids}

    async def read(self, customer_id: str) -> PointsView:
        """Balance, cap, what was tipped on this business day, and the latest entries."""
        now, settings = self._given.now(), self._given.settings
        async with self._given.units.begin() as unit:
            return PointsView(
                balance=points.balance(await unit.points.grants(customer_id), now),
                daily_cap=settings.daily_tip_cap_points,
                tipped_today=await unit.points.tipped_on(customer_id, business_date(now, settings.suitability)),
                entries=await unit.points.entries(customer_id, _ENTRIES_SHOWN),
            )

    async def expire_due(self, now: datetime) -> int:
        """Move what expired from held to expired, one grant a transaction; returns how many grants.

        One that the ledger does not take is passed over for a while.
        """
        for expired in range(_EXPIRE_BATCH):
            due: tuple[str, Grant] | None = None
            try:
                async with self._given.units.begin() as unit:
                    due = await unit.points.lock_expired(now, self._passed_over.at(now))
                    if due is None:
                        return expired
                    await self._expire(unit, *due, now)
            except CommerceError:
                raise
            except Exception:
                if due is None:
                    raise
                _log.exception("%s does not expire", due[1].grant_id)
                self._passed_over.add(due[1].grant_id, now)
        return _EXPIRE_BATCH

    async def _expire(self, unit: Unit, customer_id: str, grant: Grant, now: datetime) -> None:
        await unit.points.use([(grant.grant_id, grant.left_points)])
        transfer_id = self._given.new_id("tr")
        transfer = ledger.expire_points(transfer_id, grant.grant_id, customer_id, grant.left_points)
        await unit.ledger.post(transfer, now)
