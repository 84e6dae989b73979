"""The sale as a service of its own: every use-case on one Postgres pool, without HTTP."""

import asyncio
import itertools
import logging
from pathlib import Path

import asyncpg

from commerce.applause import Applause
from commerce.assessment import Assessments
from commerce.catalogue import Products
from commerce.confirmation import Confirmation
from commerce.core import CoreBanking
from commerce.core_asked import AskedCore
from commerce.core_ledger import LedgerCore
from commerce.dependencies import Dependencies
from commerce.envelopes import Envelopes
from commerce.errors import Unavailable
from commerce.gate import Gate
from commerce.outbox import OutboxRelay
from commerce.outbox_postgres import OutboxDepth, OutboxReader
from commerce.places import Places
from commerce.ports import BroadcastReader, Clock, FactReader, NewId, Trace, untraced
from commerce.questionnaire import Questionnaire
from commerce.questionnaire_file import load_questionnaire
from commerce.records import CustomerRecords
from commerce.sale import Sale
from commerce.sequencer import Sequencer
from commerce.settings import CommerceSettings
from commerce.stage import Stage
from commerce.uow_postgres import Units
from commerce.working_days import ChinaWorkingDays, WorkingDays

_log = logging.getLogger(__name__)
_WATCH_TIMEOUT_S = 10.0
_PURGE_EVERY = 600  # sweeps: what is kept for a month need not go to the second


class CommerceService:
    """Groups the use-cases; keeps nothing but queues, so any number of processes may run one.

    `core` is the bank's; without one the embedded core on our own ledger.
    Without a `questionnaire` the shipped one is asked, without a `calendar` China's. `pool` stays the
    caller's and needs at least two connections; nothing connects before the first call.
    """

    def __init__(
        self, pool: asyncpg.Pool, *, broadcasts: BroadcastReader, now: Clock, new_id: NewId, envelopes: Envelopes,
        settings: CommerceSettings | None = None, core: CoreBanking | None = None,
        evidence_export_dir: Path | None = None, questionnaire: Questionnaire | None = None,
        calendar: WorkingDays | None = None, trace: Trace = untraced,
    ) -> None:  # fmt: skip
        self.settings = settings or CommerceSettings()
        self._pool = pool
        self._now = now
        self._units = Units(pool, self.settings, envelopes, trace)
        given = Dependencies(self._units, broadcasts, now, new_id, self.settings)
        self.products = Products(given)
        self.stage = Stage(given)
        self.core = AskedCore(core or LedgerCore(self._units, now, new_id), self.settings.core_timeout_s)
        self.gate = Gate(given, self.core)
        self.sale = Sale(given, self.core)
        self.confirmation = Confirmation(given, self.core, calendar or ChinaWorkingDays())
        self.applause = Applause(given)
        self.customers = CustomerRecords(given)
        self.places = Places(given)
        self.assessments = Assessments(given, questionnaire or load_questionnaire(None))
        self.sequencer = Sequencer(given, evidence_export_dir)

    def relay(self, read: FactReader) -> OutboxRelay:
        """Make the relay that takes facts to the rooms; run its `run()` in a TaskGroup, once a process at most."""
        relay = OutboxRelay(OutboxReader(self._pool, self.settings.acquire_timeout_s), read)
        self._units.after_facts(relay.wake)
        return relay

    async def outbox_depth(self) -> OutboxDepth:
        """Say how much waits to reach its room; raises Unavailable."""
        async with self._units.glance() as unit:
            return await unit.outbox.depth(self._now())

    async def aclose(self) -> None:
        """Stop what is under way; call it before the pool closes."""
        await self.sale.aclose()

    async def watch_stages(self, every_s: float = 0.5) -> None:
        """Take cards down where monitor or recorder have gone, until cancelled; any number of processes may watch."""
        while True:
            try:
                async with asyncio.timeout(_WATCH_TIMEOUT_S):
                    await self.stage.pull_unsupervised()
            except (Unavailable, TimeoutError) as error:
                _log.warning("stages wait: %s", error)
            await asyncio.sleep(every_s)

    async def sweep_forever(self, every_s: float = 1.0) -> None:
        """End what is over (reservations, points, keys) until cancelled; any number of processes may sweep at once."""
        for sweep in itertools.count():
            try:
                if sweep % _PURGE_EVERY == 0:
                    await self.sale.purge_keys(self._now())
                await self.sale.expire_due(self._now())
                await self.applause.expire_due(self._now())
            except Unavailable as error:
                _log.warning("sweeping waits: %s", error)
            await asyncio.sleep(every_s)

    async def settle_forever(self, every_s: float = 1.0) -> None:
        """Ask the core about what it left open until cancelled; a task of its own, as a core may be slow."""
        while True:
            try:
                await self.sale.settle_due(self._now())
            except Unavailable as error:
                _log.warning("settling waits: %s", error)
            await asyncio.sleep(every_s)
