"""Use-case of reserving: requests are taken in together under load, then grouped by product, a transaction a group."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from commerce import group
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError, Unavailable
from commerce.facts import NewFact, quota_changed
from commerce.group import Reading, Request, Stage, key_conflict
from commerce.group_draft import Draft, draft_of
from commerce.grouping import AGAIN, Again, Grouping, Onward
from commerce.idempotency import body_hash
from commerce.money import Money, money
from commerce.ports import BroadcastFacts
from commerce.purchase import Acknowledgement, acknowledgement_refusal
from commerce.quota import Quota
from commerce.receipt import OrderView
from commerce.uow_postgres import Unit

_PLENTY_MINOR = 2**63 - 1  # what a quota is taken to have left before it was ever seen


class _Command(msgspec.Struct, frozen=True):
    """A reserve command as it came, its amount in order."""

    customer_id: str
    acknowledgement_id: str
    amount: Money
    key: str
    trace: str | None


class Reservations:
    """Holds quota for acknowledged purchases.

    Arrival order holds within a process, for each product; between processes the order of their commits. Alone a
    request goes at once as a group of one; what comes while a group is under way makes the next one.
    """

    def __init__(self, given: Dependencies) -> None:
        self._given = given
        self._intake: Grouping[_Command, OrderView] = given.grouping(self._take_in)
        self._products: dict[str, Grouping[Request, OrderView]] = {}
        self._left_minor: dict[str, int] = {}  # of each product, when this process last saw it

    async def reserve(
        self, customer_id: str, acknowledgement_id: str, amount_minor: object, currency: object, key: str
    ) -> OrderView:
        """Hold quota for an acknowledged purchase; raises Refusal, Conflict or Unavailable as docs/protocol.md says."""
        amount, trace = money(amount_minor, currency), self._given.units.trace()
        return await self._intake.do(_Command(customer_id, acknowledgement_id, amount, key, trace))

    @property
    def waiting(self) -> int:
        """Commands that wait for a group."""
        return self._intake.waiting + sum(grouping.waiting for grouping in self._products.values())

    async def aclose(self) -> None:
        """Stop; who still waits hears `busy`."""
        await self._intake.aclose()
        for grouping in self._products.values():
            await grouping.aclose()

    def _of_product(self, product_id: str) -> Grouping[Request, OrderView]:
        if product_id not in self._products:

            async def work(
                requests: Sequence[Request], passed: Callable[[], None]
            ) -> list[OrderView | Exception | Again]:
                return await self._reserve(product_id, requests, passed)

            self._products[product_id] = self._given.grouping(work)
        return self._products[product_id]

    async def _take_in(
        self, commands: Sequence[_Command], passed: Callable[[], None]
    ) -> list[Onward[OrderView] | CommerceError]:
        """Find each command's acknowledgement and pass it on to its product; one group at a time keeps their order."""
        async with self._given.units.glance() as unit:
            found = await unit.groups.acknowledgements([command.acknowledgement_id for command in commands])
        own = [self._own(command, found) for command in commands]
        lost = [(command.customer_id, command.key) for command, mine in zip(commands, own, strict=True) if mine is None]
        used: set[tuple[str, str]] = set()
        if lost:
            async with self._given.units.glance() as unit:
                used = await unit.groups.used_keys(lost)
        return [
            self._not_acknowledged(command, used) if mine is None else self._request(command, mine)
            for command, mine in zip(commands, own, strict=True)
        ]

    def _own(self, command: _Command, found: Mapping[str, Acknowledgement]) -> Acknowledgement | None:
        acknowledgement = found.get(command.acknowledgement_id)
        return acknowledgement if acknowledgement and acknowledgement.customer_id == command.customer_id else None

    def _not_acknowledged(self, command: _Command, used: set[tuple[str, str]]) -> CommerceError:
        """A key that has an answer was used with an acknowledgement, hence with another body."""
        if (command.customer_id, command.key) in used:
            return key_conflict()
        refusal = acknowledgement_refusal(None, command.customer_id, self._given.now())
        assert refusal is not None, "no acknowledgement is refused"
        return refusal

    def _request(self, command: _Command, acknowledgement: Acknowledgement) -> Onward[OrderView]:
        amount = command.amount
        body = body_hash(command.acknowledgement_id, amount.amount_minor, amount.currency)
        order_id = self._given.new_id("or")
        request = Request(command.customer_id, acknowledgement, amount, command.key, body, order_id, command.trace)
        return Onward(self._of_product(acknowledgement.product_id), request)

    async def _reserve(
        self, product_id: str, requests: Sequence[Request], passed: Callable[[], None]
    ) -> list[OrderView | Exception | Again]:
        """One transaction for all; whose customer is busy elsewhere goes with a later group."""
        broadcasts = {request.acknowledgement.broadcast_id for request in requests}
        facts = {broadcast_id: await self._facts(broadcast_id) for broadcast_id in broadcasts}
        async with self._given.units.begin() as unit:
            goes, reading, currency = await self._read(unit, product_id, requests, facts)
            results = iter(await self._decide(unit, product_id, currency, reading, passed))
        return [next(results) if now else AGAIN for now in goes]

    async def _facts(self, broadcast_id: str) -> BroadcastFacts | Unavailable:
        try:
            return await self._given.read_broadcast(broadcast_id)
        except Unavailable as unavailable:
            return unavailable

    async def _read(
        self, unit: Unit, product_id: str, requests: Sequence[Request], facts: dict[str, BroadcastFacts | Unavailable]
    ) -> tuple[list[bool], Reading, str]:
        """Lock, then read; also says which requests go now, and the product's currency ("" when on no stage)."""
        free = await unit.groups.hold({request.customer_id for request in requests}, product_id, set(facts))
        on_stage = await unit.groups.stages(set(facts))
        currencies = [s.card.content.currency for s in on_stage.values() if s.card.product_id == product_id]
        currency = currencies[0] if currencies else ""
        buyers, stored = await unit.groups.buyers(requests, product_id, currency)
        goes = [
            buyer.customer is None or request.customer_id in free
            for request, buyer in zip(requests, buyers, strict=True)
        ]
        stages = {
            name: known if isinstance(known, Unavailable) else Stage(known, on_stage.get(name))
            for name, known in facts.items()
        }
        chosen = [n for n, now in enumerate(goes) if now]
        reading = Reading(
            [requests[n] for n in chosen], [buyers[n] for n in chosen], [stored[n] for n in chosen], stages
        )
        return goes, reading, currency

    async def _decide(
        self, unit: Unit, product_id: str, currency: str, reading: Reading, passed: Callable[[], None]
    ) -> Sequence[OrderView | CommerceError]:
        """Decide and write; the quota is locked from the moment it is read, so what can be done before is done.

        That is nearly everything: the group is decided on what this process knows to have been left, and decided anew
        only where what it finds under the lock would change the outcome. The next group may begin once the quota is
        ours: it waits for it in the database, behind this one, and this one waits for nobody any more. Any sooner, the
        two could wait for each other's stage.
        """
        now, settings = self._given.now(), self._given.settings
        screened = group.screen(reading, now, settings.suitability)
        if mismatched := group.mismatched(reading, screened):
            await unit.funnel.note_mismatches(product_id, mismatched, now)

        def draft_with(left_minor: int) -> Draft:
            allotment = group.allot(reading, screened, left_minor, now, settings.reservation_ttl)
            return draft_of(product_id, currency, reading, allotment, now)

        draft = draft_with(self._left_minor.get(product_id, _PLENTY_MINOR))
        facts = list(draft.facts)
        if None in screened:
            before, shown_in = await unit.groups.lock_quota(product_id)
            passed()
            if not draft.allotment.stands(before.left_minor):
                draft = draft_with(before.left_minor)
            after = before.take(draft.allotment.taken_minor)
            self._left_minor[product_id] = after.left_minor
            facts = [*draft.facts, *self._quota_facts(product_id, currency, before, after, shown_in)]
        if draft.rows is not None:
            await unit.groups.write(draft.rows, facts, settings.duplicate_wait_s)
            unit.outbox.written += len(facts)
        return draft.results

    def _quota_facts(
        self, product_id: str, currency: str, before: Quota, after: Quota, shown_in: list[str]
    ) -> list[NewFact]:
        left_minor = self._given.left_minor(after)
        if left_minor == self._given.left_minor(before):
            return []
        return [quota_changed(name, product_id, left_minor, after.total_minor, currency) for name in shown_in]
