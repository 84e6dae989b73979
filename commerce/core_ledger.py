"""The embedded core: implements `core.CoreBanking` on our own double-entry ledger. Does I/O."""

from commerce import ledger
from commerce.core import Hold, HoldState
from commerce.ledger import Transfer
from commerce.ledger_postgres import Overdrawn
from commerce.ports import Clock, NewId
from commerce.uow_postgres import Unit, Units


class LedgerCore:
    """One transaction a call: the reference's row and its transfer, or neither."""

    def __init__(self, units: Units, now: Clock, new_id: NewId) -> None:
        self._units = units
        self._now = now
        self._new_id = new_id

    async def freeze(self, hold: Hold) -> HoldState:
        """As the port says."""
        transfer = ledger.freeze(self._new_id("tr"), hold.reference_id, hold.customer_id, hold.amount)
        try:
            async with self._units.begin() as unit:
                if not await unit.holds.add(hold, HoldState.FROZEN, self._now()):
                    return await unit.holds.lock(hold.reference_id)
                await self._post(unit, transfer)
        except Overdrawn:  # the transaction is lost; the refusal is written by one of its own
            return await self._refuse(hold)
        return HoldState.FROZEN

    async def _refuse(self, hold: Hold) -> HoldState:
        async with self._units.begin() as unit:
            await unit.holds.add(hold, HoldState.REFUSED, self._now())
            return await unit.holds.lock(hold.reference_id)

    async def debit(self, hold: Hold) -> HoldState:
        """As the port says."""
        transfer = ledger.debit(self._new_id("tr"), hold.reference_id, hold.customer_id, hold.amount)
        return await self._end(hold, HoldState.DEBITED, transfer)

    async def release(self, hold: Hold) -> HoldState:
        """As the port says."""
        transfer = ledger.release(self._new_id("tr"), hold.reference_id, hold.customer_id, hold.amount)
        async with self._units.begin() as unit:
            if await unit.holds.add(hold, HoldState.VOID, self._now()):
                return HoldState.VOID
        return await self._end(hold, HoldState.RELEASED, transfer)

    async def query(self, reference_id: str) -> HoldState:
        """As the port says."""
        async with self._units.begin() as unit:
            return await unit.holds.lock(reference_id)

    async def available_minor(self, customer_id: str, currency: str) -> int | None:
        """As the port says."""
        async with self._units.glance() as unit:
            return await unit.ledger.balance(ledger.money("available", customer_id, currency))

    async def _end(self, hold: Hold, target: HoldState, transfer: Transfer) -> HoldState:
        async with self._units.begin() as unit:
            state = await unit.holds.lock(hold.reference_id)
            if state is not HoldState.FROZEN:
                return state
            await self._post(unit, transfer)
            await unit.holds.move(hold.reference_id, target, self._now())
        return target

    async def _post(self, unit: Unit, transfer: Transfer) -> None:
        await unit.ledger.post(transfer, self._now())
