"""A Hypothesis state machine over the whole purchase, with a core that fails, crashes, retries and restarts.

It plays on a real database and holds, after every step: the audit is clean, no quota is oversold, each key has one
order at most and one final answer, and no money is frozen that no order needs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from commerce import uow_postgres
from commerce.audit_postgres import audit
from commerce.core_ledger import LedgerCore
from commerce.errors import CommerceError
from commerce.settings import CommerceSettings
from commerce.uow_postgres import Units
from tests.commerce.bank import ENVELOPES, HOST, Bank
from tests.commerce.faulty_core import FaultyCore
from tests.commerce.test_crash import DyingConnection

BUYERS = ("ac_ann", "ac_bob", "ac_poor")
MONEY = {"ac_ann": 1_000_000, "ac_bob": 1_000_000, "ac_poor": 150_000}
QUOTA = 900_000
FAULTS = st.lists(st.sampled_from(["done", "lost", "refused", "late", "twice"]), max_size=3)
CRASHES = st.one_of(st.just(0), st.integers(1, 14))  # before which statement the connection dies; 0: none
NOT_FINAL = {"busy", "in_progress"}


class PurchaseLife(RuleBasedStateMachine):
    """Three customers, one of them poor, and one product; each example begins with empty tables.

    Loop and connections serve all examples. The audit has a connection of its own, which no crash ends: it is most of
    the work, and on a new connection each of its queries would be planned anew.
    """

    runner: asyncio.Runner
    pool: asyncpg.Pool
    books: asyncpg.Pool

    @initialize()
    def open(self) -> None:
        self.answers: dict[tuple[str, str, str], Any] = {}
        self.orders: list[tuple[str, str]] = []
        self.keys = 0
        self.looked_at = ""
        self.run(self._open())
        for customer_id in BUYERS:
            self.reserve(customer_id, 160_000, False, 0)

    def run(self, work: Awaitable[Any]) -> Any:
        async def whole() -> Any:
            return await work

        return self.runner.run(whole())

    async def _open(self) -> None:
        # Rather than TRUNCATE, which makes new files of every table and index and all plans void.
        tables = await self.books.fetch(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'schema_%'"
        )
        empty = "".join(f"DELETE FROM {table};" for (table,) in tables)
        await self.books.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {empty} COMMIT")
        self.bank = Bank(self.pool, CommerceSettings(duplicate_wait_s=0.5))
        self.core = FaultyCore(
            LedgerCore(Units(self.pool, CommerceSettings(), ENVELOPES), self.bank.clock, self.bank.new_id)
        )
        self.bank.use_core(self.core)
        await self.bank.approved(quota_total_minor=QUOTA, customer_maximum_minor=500_000)
        await self.bank.service.stage.feature("bc_a", "pr_a", HOST)
        self.acknowledged = {}
        for customer_id in BUYERS:
            await self.bank.add_customer(customer_id, money=MONEY[customer_id])
            self.acknowledged[customer_id] = await self.bank.acknowledged(customer_id)

    def teardown(self) -> None:
        if hasattr(self, "acknowledged"):
            self.everything_comes_to_an_end()

    def attempt(self, operation: str, customer_id: str, key: str, act: Callable[[], Awaitable[Any]], crash: int) -> Any:
        """Act, with a crash before that statement; whatever is final must stay what it was."""
        try:
            answer = self.run(self._crashing(act, crash))
        except CommerceError as error:
            if error.code in NOT_FINAL:
                return None
            answer = error.code
        name = (operation, customer_id, key)
        if getattr(answer, "state", "") != "outcome_unknown":
            assert self.answers.setdefault(name, answer) == answer, "a final answer changed"
        return answer

    async def _crashing(self, act: Callable[[], Awaitable[Any]], crash: int) -> Any:
        if not crash:
            return await act()
        fuse, real = [crash], uow_postgres.Unit
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                uow_postgres,
                "Unit",
                lambda connection, *rest: real(DyingConnection(connection, self.pool, fuse), *rest),
            )
            return await act()

    @rule(
        customer_id=st.sampled_from(BUYERS),
        amount=st.sampled_from([90_000, 100_000, 160_000, 300_000]),
        again=st.booleans(),
        crash=CRASHES,
    )
    def reserve(self, customer_id: str, amount: int, again: bool, crash: int) -> None:
        self.keys += 1
        acknowledgement_id = self.acknowledged[customer_id]
        key = f"r{amount}-{acknowledgement_id}-{self.keys if not again else 0}"
        made = self.attempt(
            "reserve", customer_id, key,
            lambda: self.bank.service.sale.reserve(customer_id, acknowledgement_id, amount, "CNY", key), crash,
        )  # fmt: skip
        if made is not None and not isinstance(made, str) and (customer_id, made.order_id) not in self.orders:
            self.orders.append((customer_id, made.order_id))

    @rule(pick=st.integers(0, 50), again=st.booleans(), faults=FAULTS, crash=CRASHES)
    def submit(self, pick: int, again: bool, faults: list[Any], crash: int) -> None:
        self.act_on(pick, "submit", self.bank.service.sale.submit, again, faults, crash)

    @rule(pick=st.integers(0, 50), again=st.booleans(), faults=FAULTS, crash=CRASHES)
    def cancel(self, pick: int, again: bool, faults: list[Any], crash: int) -> None:
        self.act_on(pick, "cancel", self.bank.service.sale.cancel, again, faults, crash)

    @rule(pick=st.integers(0, 50), crash=CRASHES)
    def extend(self, pick: int, crash: int) -> None:
        self.act_on(pick, "extend", self.bank.service.sale.extend, True, [], crash)

    def act_on(
        self, pick: int, operation: str, command: Callable[..., Awaitable[Any]], again: bool, faults: list[Any],
        crash: int,
    ) -> None:  # fmt: skip
        if not self.orders:
            return
        customer_id, order_id = self.orders[pick % len(self.orders)]
        self.keys += 1
        key = f"{order_id}-{0 if again else self.keys}"
        self.core.faults.extend(faults)
        self.attempt(operation, customer_id, key, lambda: command(customer_id, order_id, key), crash)
        self.core.faults.clear()

    @rule(seconds=st.sampled_from([1, 15, 100, 300]))
    def time_passes_and_the_sweeper_comes(self, seconds: int) -> None:
        self.bank.clock.advance(seconds=seconds)

        async def sweep() -> None:
            await self.bank.service.sale.expire_due(self.bank.clock())
            await self.bank.service.sale.settle_due(self.bank.clock())

        self.run(sweep())

    @rule()
    def slow_requests_reach_the_core(self) -> None:
        self.run(self.core.deliver())

    @rule()
    def the_server_restarts(self) -> None:
        self.bank.use_core(self.core)

    @invariant()
    def the_books_are_right_and_nothing_is_oversold_or_overspent(self) -> None:
        if hasattr(self, "acknowledged"):
            self.run(self._audited())

    async def _audited(self) -> None:
        """Look at the books, unless nothing was written since: Postgres' log is where it was."""
        written = await self.books.fetchval("SELECT pg_current_wal_insert_lsn()::text")
        if written != self.looked_at:
            self.looked_at = written
            assert await audit(self.books) == []
            await self._totals()

    async def _totals(self) -> None:
        assert await self.books.fetchval("SELECT taken_minor FROM quotas") <= QUOTA
        sold = await self.books.fetch(
            "SELECT customer_id, sum(amount_minor) AS sold FROM orders WHERE state = 'accepted' GROUP BY 1"
        )
        assert all(row["sold"] <= MONEY[row["customer_id"]] for row in sold)

    def everything_comes_to_an_end(self) -> None:
        """With the core well again and time enough, nothing stays unknown."""
        self.run(self.core.deliver())
        self.time_passes_and_the_sweeper_comes(300)
        self.time_passes_and_the_sweeper_comes(300)
        waiting = (
            "SELECT count(*) FROM orders WHERE state IN ('reserved', 'submitted', 'outcome_unknown') OR release_due"
        )
        assert self.run(self.pool.fetchval(waiting)) == 0


def live(machine: type[PurchaseLife], url: str, examples: int, steps: int) -> None:
    """Play a machine on this database."""

    async def pool(size: int, **server_settings: str) -> asyncpg.Pool:
        return await asyncpg.create_pool(url, min_size=1, max_size=size, server_settings=server_settings)

    with asyncio.Runner() as machine.runner:
        machine.pool = machine.runner.run(pool(6))
        machine.books = machine.runner.run(pool(1, plan_cache_mode="force_generic_plan"))
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=examples, stateful_step_count=steps, deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
        finally:
            machine.pool.terminate()
            machine.books.terminate()


def test_a_purchase_survives_whatever_happens_to_it(postgres_url: str) -> None:
    live(PurchaseLife, postgres_url, examples=25, steps=20)
