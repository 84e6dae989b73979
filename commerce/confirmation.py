"""Use-case of T+1: accepted orders whose day has come are debited and confirmed, each once, however often it runs.

First an order is marked, in a transaction of its own, so that it cannot be cancelled while the core debits; then the
core is asked, which answers a repeat with what holds; then the answer is taken. A run that dies anywhere is gone on
with by the next, and two runs at once share the work. Products sold at a net value wait: that value is the core's.
"""

import asyncio
import logging
from datetime import date, datetime, time, timedelta

from commerce import order
from commerce.confirmations_postgres import ReportLine
from commerce.core import CoreBanking, Hold, HoldState
from commerce.dependencies import Dependencies
from commerce.envelopes import EnvelopeError
from commerce.errors import CommerceError, Unavailable
from commerce.given_back import give_back
from commerce.order import Order, State
from commerce.receipt import order_changed
from commerce.suitability import business_date
from commerce.witness import save_witnessed
from commerce.working_days import CalendarEndedError, WorkingDays, confirmable_until

_log = logging.getLogger(__name__)
_BATCH = 100
_UNANSWERED = 3  # so many in a row without an answer, and the run leaves the rest for the next
_CALENDAR_PAUSE_S = 3_600.0


class Confirmation:
    """The job, for the command and for the role `commerce`, which runs it by itself."""

    def __init__(self, given: Dependencies, core: CoreBanking, calendar: WorkingDays) -> None:
        self._given = given
        self._core = core
        self._calendar = calendar

    async def run_forever(self, every_s: float = 60.0) -> None:
        """Confirm what is due until cancelled; beyond the calendar's years, say so every hour and confirm nothing."""
        while True:
            pause_s = every_s
            try:
                await self.run()
            except CalendarEndedError as error:
                _log.error("nothing is confirmed: the calendar of working days has ended: %s", error)
                pause_s = _CALENDAR_PAUSE_S
            except (CommerceError, EnvelopeError) as error:
                _log.warning("confirming waits: %s", error)
            await asyncio.sleep(pause_s)

    async def run(self, on: date | None = None) -> list[ReportLine]:
        """Confirm what is due by a business date (today's) and return the report of that date.

        Raises CalendarEndedError before anything is done, ValueError for a day to come.
        """
        now, rules = self._given.now(), self._given.settings.suitability
        today = business_date(now, rules)
        on = on or today
        if on > today:
            raise ValueError(f"{on} has not come yet in {rules.business_zone}")
        last = confirmable_until(on, self._calendar)
        accepted_before = datetime.combine(last + timedelta(days=1), time(), rules.business_zone)
        await self._confirm_all(accepted_before, on)
        async with self._given.units.begin() as unit:
            return await unit.confirmations.report(accepted_before, on)

    async def _confirm_all(self, accepted_before: datetime, on: date) -> None:
        after_id, unanswered = "", 0
        while True:
            async with self._given.units.begin() as unit:
                taken = await unit.confirmations.take(accepted_before, self._given.now(), after_id, _BATCH)
            for accepted in taken:
                unanswered = 0 if await self._confirm(accepted, on) else unanswered + 1
                if unanswered >= _UNANSWERED:
                    return
            if len(taken) < _BATCH:
                return
            after_id = taken[-1].order_id

    async def _confirm(self, accepted: Order, on: date) -> bool:
        """Have one order debited and take the answer; False when the core has none now."""
        assert accepted.core_reference is not None, "it was accepted under one"
        hold = Hold(accepted.core_reference, accepted.customer_id, accepted.amount)
        try:
            async with asyncio.timeout(self._given.settings.core_timeout_s):
                state = await self._core.debit(hold)
        except (TimeoutError, OSError, Unavailable) as error:
            _log.warning("the core has not debited %s: %s", hold.reference_id, error)
            return False
        await self._settle(accepted, state, on)
        return True

    async def _settle(self, accepted: Order, state: HoldState, on: date) -> None:
        now = self._given.now()
        facts = await self._given.read_broadcast(accepted.broadcast_id)
        async with self._given.units.begin() as unit:
            locked = await unit.orders.lock(accepted.order_id)
            assert locked is not None, "orders are never deleted"
            decision = order.confirm(locked, state, now)
            if decision is None:
                return  # another run has taken the answer, or there is none yet
            await save_witnessed(self._given, unit, decision, facts)
            await unit.confirmations.save(decision.order, on)
            if decision.order.state is State.CONFIRM_FAILED:
                await give_back(self._given, unit, decision, now)
            else:
                await unit.outbox.add(order_changed(decision.order), now)
