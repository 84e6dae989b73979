"""Use-cases of the stage: feature a card in a broadcast, pull it, say what is shown."""

from datetime import datetime
from typing import Any

import msgspec

from commerce.card_view import CardView
from commerce.dependencies import Dependencies
from commerce.errors import Conflict, Forbidden, NotFound
from commerce.facts import card_pulled, card_shown, epoch_ms, quota_changed
from commerce.order import SYSTEM
from commerce.ports import Actor, BroadcastFacts
from commerce.purchase import (
    ON_AIR,
    STOPS_THE_SALE,
    OnStage,
    raise_first,
    require_broadcast,
    require_on_air,
    require_on_shelf,
    supervision_refusal,
)
from commerce.quota import Quota
from commerce.uow_postgres import Unit


class Stage:
    """One card at a time in each broadcast; every showing is kept with both clocks."""

    def __init__(self, given: Dependencies) -> None:
        self._given = given

    async def feature(self, broadcast_id: str, product_id: str, actor: Actor) -> CardView:
        """Show the approved card of a product, in place of any other, and return the card.

        Repeating it changes nothing. Raises NotFound, Forbidden `not_your_broadcast`, Conflict `not_live`,
        `not_on_shelf` or `product_not_approved`, Unavailable `monitor_absent` or `recording_unavailable`.
        """
        facts = await self._given.read_broadcast(broadcast_id)
        require_broadcast(facts)
        if actor.account_id != facts.host_id:
            raise Forbidden("not_your_broadcast", "only the broadcast's host features cards in it")
        require_on_air(facts)
        require_on_shelf(facts, product_id)
        raise_first([supervision_refusal(facts)])
        async with self._given.units.begin() as unit:
            return await self._feature(unit, broadcast_id, product_id, actor, facts.stream_time_ms)

    async def _feature(
        self, unit: Unit, broadcast_id: str, product_id: str, actor: Actor, stream_time_ms: int | None
    ) -> CardView:
        product = await unit.catalogue.product(product_id, "FOR SHARE")
        if product is None:
            raise NotFound("no_such_product", "there is no such product")
        if product.approved_version is None:
            raise Conflict("product_not_approved", "a checker has to approve the product first")
        card = await unit.catalogue.card(product_id, product.approved_version)
        assert card is not None, "the approved version exists"
        await unit.showings.hold_alone([broadcast_id])
        now = self._given.now()
        before = await unit.showings.open_on(broadcast_id)
        shown_already = before is not None and before.card == card
        if not shown_already:
            await _close(unit, broadcast_id, actor.account_id, "replaced", stream_time_ms, now)
            on_stage = OnStage(self._given.new_id("sh"), card, now, stream_time_ms)
            await unit.showings.open(broadcast_id, on_stage, actor.account_id)
        # Locked, so that no quota fact that is older than this card follows it.
        view = self._given.shown_card(card, await unit.quotas.locked(product_id))
        if not shown_already:
            await unit.outbox.add(card_shown(broadcast_id, msgspec.to_builtins(view), now, stream_time_ms), now)
        return view

    async def pull(self, broadcast_id: str, actor: Actor, reason: str) -> None:
        """Take the card down: the broadcast's host or any monitor; raises NotFound `no_card` on an empty stage."""
        facts = await self._given.read_broadcast(broadcast_id)
        require_broadcast(facts)
        if actor.account_id != facts.host_id and actor.role != "monitor":
            raise Forbidden("not_your_broadcast", "only the broadcast's host or a monitor pulls its card")
        if not await self.pull_all(broadcast_id, reason, actor.account_id, facts.stream_time_ms):
            raise NotFound("no_card", "no card is on stage")

    async def pull_all(
        self, broadcast_id: str, reason: str, actor_id: str = SYSTEM, stream_time_ms: int | None = None
    ) -> bool:
        """Clear the stage of a broadcast (ended, terminated, unwatched); says whether anything was on it."""
        async with self._given.units.begin() as unit:
            await unit.showings.hold_alone([broadcast_id])
            return await _close(unit, broadcast_id, actor_id, reason, stream_time_ms, self._given.now())

    async def pull_unsupervised(self) -> None:
        """Take down every card whose broadcast nobody watches or nothing records, or that is not on air any more.

        Asked again and again, as an order to show a card may have been on its way when the monitor left; any number
        of processes may do it at once, each showing is closed and told once. The host shows the card again when the
        monitor or the recorder is back. Raises Unavailable.
        """
        async with self._given.units.glance() as unit:
            occupied = await unit.showings.occupied()
        for broadcast_id in occupied:
            facts = await self._given.read_broadcast(broadcast_id)
            reason = _unsupervised(facts)
            if reason is not None:
                await self.pull_all(broadcast_id, reason, stream_time_ms=facts.stream_time_ms)

    async def shown(self, broadcast_id: str) -> dict[str, Any] | None:
        """What the `card_shown` event of the card on stage says now (`card`, `shown_at_ms`, `stream_time_ms`)."""
        async with self._given.units.begin() as unit:
            on_stage = await unit.showings.open_on(broadcast_id)
            if on_stage is None:
                return None
            quota = await unit.quotas.read(on_stage.card.product_id)
            assert quota is not None, "what is on stage was approved"
        return {
            "card": msgspec.to_builtins(self._given.shown_card(on_stage.card, quota)),
            "shown_at_ms": epoch_ms(on_stage.shown_at),
            "stream_time_ms": on_stage.stream_time_ms,
        }

    async def stopped(self, broadcast_id: str) -> str | None:
        """The code of why the last card was taken down by nobody's choice; None on any other stage, empty or not."""
        async with self._given.units.glance() as unit:
            reason = await unit.showings.last_pull_reason(broadcast_id)
        return reason if reason in STOPS_THE_SALE else None


def _unsupervised(facts: BroadcastFacts) -> str | None:
    """Why no card may stand on this stage; None when all is well."""
    if facts.state not in ON_AIR:
        return facts.state or "no_such_broadcast"
    refusal = supervision_refusal(facts)
    return refusal.code if refusal is not None else None


async def pull_product(unit: Unit, product_id: str, actor_id: str, reason: str, at: datetime) -> None:
    """Take a product off every stage; the caller holds the product's row, so that no stage takes it up meanwhile."""
    broadcast_ids = await unit.showings.broadcasts_showing(product_id)
    await unit.showings.hold_alone(broadcast_ids)
    for broadcast_id in broadcast_ids:
        on_stage = await unit.showings.open_on(broadcast_id)
        if on_stage is not None and on_stage.card.product_id == product_id:
            await _close(unit, broadcast_id, actor_id, reason, None, at)


async def tell_quota(
    given: Dependencies, unit: Unit, product_id: str, currency: str, before: Quota, after: Quota, showing: list[str]
) -> None:
    """Tell the rooms that show the product, but only of a change that viewers can see; the quota's row is locked."""
    left_minor = given.left_minor(after)
    if left_minor == given.left_minor(before) and after.total_minor == before.total_minor:
        return
    for broadcast_id in showing:
        fact = quota_changed(broadcast_id, product_id, left_minor, after.total_minor, currency)
        await unit.outbox.add(fact, given.now())


async def _close(
    unit: Unit, broadcast_id: str, actor_id: str, reason: str, stream_time_ms: int | None, at: datetime
) -> bool:
    product_id = await unit.showings.close(broadcast_id, actor_id, reason, stream_time_ms, at)
    if product_id is None:
        return False
    await unit.outbox.add(card_pulled(broadcast_id, product_id, reason), at)
    return True
