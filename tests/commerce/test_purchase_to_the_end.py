"""The purchase machine played on to T+1: confirmations, withdrawn products, pulled cards and the chain of evidence.

What holds after every step is `test_purchase_life`'s; at the end every order is confirmed, refused or given back, what
the customers paid is what was confirmed, and all evidence stands in the chain and says what its order says.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from commerce.audit_evidence import audit_records
from commerce.errors import CommerceError
from tests.commerce.bank import ENVELOPES, HOST
from tests.commerce.test_purchase_life import BUYERS, CRASHES, FAULTS, MONEY, PurchaseLife, live


class ToTheEnd(PurchaseLife):
    """Everything of a purchase, and what comes after it was accepted."""

    withdrawn = False
    days = 0

    def tolerated(self, act: Any, crash: int) -> Any:
        """Act with a crash in between; what cannot be done now is done by the next run."""
        try:
            return self.run(self._crashing(act, crash))
        except CommerceError:
            return None

    @rule(pick=st.integers(0, 50), crash=CRASHES)
    def buy(self, pick: int, crash: int) -> None:
        """Reserve and hand in, so that there is something to confirm."""
        self.reserve(BUYERS[pick % len(BUYERS)], 90_000, False, 0)
        if self.orders:
            self.act_on(len(self.orders) - 1, "submit", self.bank.service.sale.submit, True, [], crash)

    @rule(faults=FAULTS, crash=CRASHES)
    def t_plus_1_comes(self, faults: list[Any], crash: int) -> None:
        """The next working day: what was accepted is debited, by a core and a database that may fail meanwhile."""
        self.bank.clock.advance(days=1)
        self.days += 1
        self.core.faults.extend(faults)
        self.tolerated(self.bank.service.confirmation.run, crash)
        self.core.faults.clear()
        if not self.withdrawn:
            self.run(self._acknowledge())

    async def _acknowledge(self) -> None:
        for customer_id in BUYERS:
            self.acknowledged[customer_id] = await self.bank.acknowledged(customer_id)

    @rule(crash=CRASHES)
    def the_sequencer_comes(self, crash: int) -> None:
        self.tolerated(self.bank.service.sequencer.link_all, crash)

    @rule(crash=CRASHES)
    @precondition(lambda self: not self.withdrawn)
    def the_card_leaves_the_stage_and_comes_back(self, crash: int) -> None:
        stage = self.bank.service.stage
        self.tolerated(lambda: stage.pull_all("bc_a", "by the host"), crash)
        self.run(stage.pull_all("bc_a", "by the host"))
        assert self.attempt_reserve() == "card_pulled"
        self.tolerated(lambda: stage.feature("bc_a", "pr_a", HOST), crash)
        self.run(stage.feature("bc_a", "pr_a", HOST))

    @rule(crash=CRASHES)
    @precondition(lambda self: not self.withdrawn and self.days > 0)
    def the_product_is_withdrawn(self, crash: int) -> None:
        """For good: nothing is sold or handed in any more, what was accepted is confirmed all the same."""
        withdraw = self.bank.service.products.move
        self.tolerated(lambda: withdraw("pr_a", "withdraw", "ac_host"), crash)
        self.tolerated(lambda: withdraw("pr_a", "withdraw", "ac_host"), 0)
        self.withdrawn = True
        assert self.attempt_reserve() == "card_pulled"

    def attempt_reserve(self) -> Any:
        self.keys += 1
        key, acknowledgement_id = f"gone-{self.keys}", self.acknowledged["ac_ann"]
        reserving = self.bank.service.sale.reserve
        return self.attempt(
            "reserve", "ac_ann", key, lambda: reserving("ac_ann", acknowledgement_id, 90_000, "CNY", key), 0
        )

    async def _totals(self) -> None:
        await super()._totals()
        for customer_id, money in MONEY.items():
            paid = await self.pool.fetchval(
                "SELECT coalesce(sum(amount_minor), 0) FROM orders WHERE customer_id = $1"
                " AND state IN ('accepted', 'confirmed')",
                customer_id,
            )
            assert paid <= money

    def everything_comes_to_an_end(self) -> None:
        super().everything_comes_to_an_end()
        for _ in range(3):  # what was accepted on a Friday is confirmed on Monday
            self.t_plus_1_comes([], 0)
        self.the_sequencer_comes(0)
        self.run(self._the_end())

    async def _the_end(self) -> None:
        left = await self.pool.fetch("SELECT DISTINCT state FROM orders")
        assert {row["state"] for row in left} <= {"confirmed", "rejected", "expired", "cancelled"}
        confirmed = await self.pool.fetchval("SELECT sum(amount_minor) FROM orders WHERE state = 'confirmed'")
        debited = await self.pool.fetchval("SELECT sum(amount_minor) FROM core_holds WHERE state = 'debited'")
        assert confirmed == debited
        assert await self.pool.fetchval("SELECT count(*) FROM evidence_unlinked") == 0
        assert await audit_records(self.pool, ENVELOPES) == []


def test_a_purchase_ends_confirmed_or_given_back_and_its_evidence_is_whole(postgres_url: str) -> None:
    live(ToTheEnd, postgres_url, examples=8, steps=15)
