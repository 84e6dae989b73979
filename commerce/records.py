"""Use-cases of customer records: who may buy, and the money they hold on the embedded ledger."""

from datetime import date

from commerce import ledger
from commerce.dependencies import Dependencies
from commerce.money import Money
from commerce.suitability import Customer


class CustomerRecords:
    """What the bank knows of its customers, as far as the sale needs it."""

    def __init__(self, given: Dependencies) -> None:
        self._given = given

    async def upsert(self, customer: Customer) -> None:
        """Store or replace a customer's record."""
        async with self._given.units.begin() as unit:
            await unit.customers.save(customer, self._given.now())

    async def identify(
        self, customer_id: str, masked_name: str, birth_date: date, *, relationship_manager_id: str | None,
        branch: str | None, declared_means: Money | None = None,
    ) -> None:  # fmt: skip
        """Create a customer's record, or renew who they are and who looks after them; what is None stays.

        Their assessment stays as well.
        """
        async with self._given.units.begin() as unit:
            await unit.customers.identify(
                customer_id, masked_name, birth_date, relationship_manager_id, branch, declared_means,
                self._given.now(),
            )  # fmt: skip

    async def credit(self, customer_id: str, amount: Money, *, transfer_id: str) -> bool:
        """Put money on the available account; False, changing nothing, when this transfer_id was posted already."""
        async with self._given.units.begin() as unit:
            return await unit.ledger.post(ledger.credit(transfer_id, customer_id, amount), self._given.now())
