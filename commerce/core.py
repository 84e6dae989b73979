"""The core banking system as the sale needs it: a port with its guarantees. Pure."""

from enum import StrEnum
from typing import Protocol

import msgspec

from commerce.money import Money


class HoldState(StrEnum):
    """What the core says of a reference; values are stored by the embedded core."""

    NOT_KNOWN = "not_known"  # it never heard of it; it still may, if the request is under way
    FROZEN = "frozen"
    REFUSED = "refused"  # the account holds less than the amount
    DEBITED = "debited"
    RELEASED = "released"
    VOID = "void"  # released before it was frozen; whatever arrives for it later is not done


class Hold(msgspec.Struct, frozen=True):
    """Funds to be frozen for one submission of an order; `reference_id` is never used for another."""

    reference_id: str
    customer_id: str
    amount: Money


class CoreBanking(Protocol):
    """Freezes, debits and releases a customer's money, each under the reference of one submission.

    Every call may be repeated, also at once and after a restart, and has its effect once: a repeat answers what holds
    now. `release` is a tombstone: of a reference it does not know the core answers VOID, and a freeze that arrives
    later is not done. Raises TimeoutError, OSError or Unavailable when the outcome is unknown: ask `query` then.
    Never called inside a database transaction of commerce.
    """

    async def freeze(self, hold: Hold) -> HoldState:
        """Available to frozen: FROZEN or REFUSED, or what became of this reference before."""
        ...

    async def debit(self, hold: Hold) -> HoldState:
        """Frozen to the bank: DEBITED, or the state that forbids it."""
        ...

    async def release(self, hold: Hold) -> HoldState:
        """Frozen back to available: RELEASED, VOID, or the state that leaves nothing to release.

        Funds count as paid back with RELEASED and VOID only; after anything else it is called again.
        """
        ...

    async def query(self, reference_id: str) -> HoldState:
        """Say what became of a reference; changes nothing."""
        ...

    async def available_minor(self, customer_id: str, currency: str) -> int | None:
        """Say what the customer could have frozen now, for them to see; None where the core does not tell."""
        ...
