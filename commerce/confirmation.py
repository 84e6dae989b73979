"""Use-case of T+1: accepted orders whose day has come are debited and confirmed, each once, however often it runs.

First an order is marked, in a transaction of its own, so that it cannot be cancelled while the core debits; then the
core is asked, which answers a repeat with what holds; then the answer is taken. A run that dies anywhere is gone on
with by the next, and two runs at once share the work. An order for which there is no answer, or whose evidence cannot
be written now, goes behind all others. Products sold at a net value wait: that value is the core's.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta

from commerce import order
from commerce.confirmations_postgres import ReportLine
from commerce.core import HoldState
from commerce.core_asked import AskedCore, NoAnswer
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError
from commerce.given_back import give_back
from commerce.order import Order, State
from commerce.receipt import order_changed
from commerce.submission import hold_of
from commerce.suitability import business_date
from commerce.unsettled import SILENCES
from commerce.witness import save_witnessed
from commerce.working_days import CalendarEndedError, WorkingDays, confirmable_until

_log = logging.getLogger(__name__)
_BATCH = 100
_MOST_PUT_OFF = 1_000  # of those that were asked about in vain, in one run
_CALENDAR_PAUSE_S = 3_600.0


class Confirmation:
    """The job, for the command and for the role `commerce`, which runs it by itself."""

    def __init__(self, given: Dependencies, core: AskedCore, calendar: WorkingDays) -> None:
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
            except CommerceError as error:
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
        silences = 0
        async for accepted in self._due(accepted_before):
            silences = silences + 1 if await self._confirm(accepted, on) is NoAnswer.SILENT else 0
            if silences == SILENCES:
                return

    async def _due(self, accepted_before: datetime) -> AsyncIterator[Order]:
        """Every order that is due, once: behind the others those that were asked about in vain before."""
        async with self._given.units.begin() as unit:
            put_off = await unit.confirmations.put_off(accepted_before, _MOST_PUT_OFF)
        after_id, more = "", True
        while more:
            async with self._given.units.begin() as unit:
                taken = await unit.confirmations.take(accepted_before, self._given.now(), after_id, _BATCH)
            for accepted in taken:
                yield accepted
                after_id = accepted.order_id
            more = len(taken) == _BATCH
        for order_id in put_off:
            async with self._given.units.begin() as unit:
                found = await unit.confirmations.take_one(accepted_before, self._given.now(), order_id)
            if found is not None:
                yield found

    async def _confirm(self, accepted: Order, on: date) -> HoldState | NoAnswer:
        """Have one order debited and take the answer; without a definite one the order is put off."""
        answer = await self._core.debit(hold_of(accepted))
        if not (isinstance(answer, HoldState) and await self._taken(accepted, answer, on)):
            async with self._given.units.begin() as unit:
                await unit.core_again.put_off(accepted.order_id, self._given.now())
        return answer

    async def _taken(self, accepted: Order, state: HoldState, on: date) -> bool:
        """Settle one order; False when that cannot be done now, which is no reason to leave the others."""
        try:
            return await self._settle(accepted, state, on)
        except CommerceError as error:
            _log.warning("%s is not confirmed for now: %s", accepted.order_id, error.code)
            return False
        except Exception:  # whatever is wrong with this order's rows, the others are confirmed
            _log.exception("%s cannot be confirmed", accepted.order_id)
            return False

    async def _settle(self, accepted: Order, state: HoldState, on: date) -> bool:
        """Take the core's answer; False when it leaves the order as it is."""
        now = self._given.now()
        facts = await self._given.read_broadcast(accepted.broadcast_id)
        async with self._given.units.begin() as unit:
            locked = await unit.orders.lock(accepted.order_id)
            assert locked is not None, "orders are never deleted"
            decision = order.confirm(locked, state, now)
            if decision is None:
                return locked.state is not State.ACCEPTED  # another run has taken the answer, or there is none yet
            await save_witnessed(self._given, unit, decision, facts)
            await unit.confirmations.save(decision.order, on)
            if decision.order.state is State.CONFIRM_FAILED:
                await give_back(self._given, unit, decision, now)
            else:
                await unit.outbox.add(order_changed(decision.order), now)
        return True
