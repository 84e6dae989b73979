"""Use-cases of customer records: who may buy, and the money they hold on the embedded ledger."""

from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from commerce import ledger
from commerce.customers_postgres import CustomerAct, no_such_customer
from commerce.dependencies import Dependencies
from commerce.money import Money
from commerce.suitability import Customer


@dataclass(frozen=True, slots=True)
class ByHand:
    """Who of the staff gave or wrote down something for a customer, and why."""

    actor: str
    reason: str


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

    async def declare_means(self, customer_id: str, means: Money, by_hand: ByHand) -> None:
        """Write down what a customer declares to have to invest; raises NotFound `no_such_customer`."""
        now = self._given.now()
        async with self._given.units.begin() as unit:
            customer = await unit.customers.read(customer_id, "FOR NO KEY UPDATE")
            if customer is None:
                raise no_such_customer()
            await unit.customers.save(replace(customer, declared_means=means), now)
            act = CustomerAct(self._given.new_id("ca"), customer_id, "means", by_hand.actor, by_hand.reason, now)
            await unit.customers.note(act)

    async def credit(self, customer_id: str, amount: Money, *, transfer_id: str, by_hand: ByHand | None = None) -> bool:
        """Put money on the available account; False, changing nothing, when this transfer_id was posted already.

        Raises NotFound `no_such_customer` when somebody does it by hand for nobody.
        """
        now = self._given.now()
        async with self._given.units.begin() as unit:
            posted = await unit.ledger.post(ledger.credit(transfer_id, customer_id, amount), now)
            if posted and by_hand is not None:
                act = CustomerAct(transfer_id, customer_id, "credit", by_hand.actor, by_hand.reason, now)
                await unit.customers.note(act)
            return posted
