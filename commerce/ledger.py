"""Double entry for money and applause points: transfers whose entries sum to zero. Pure."""

from dataclasses import dataclass
from typing import Literal

from commerce.money import MAX_MINOR, Money

POINTS = "POINTS"
AccountKind = Literal[
    "money_external", "money_available", "money_frozen",
    "points_granted", "points_held", "points_spent", "points_expired",
]  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class LedgerAccount:
    """One owner's account of one kind and unit.

    Every account belongs to a customer, the counter-accounts too, so that no row is shared by all customers.
    """

    owner_id: str
    kind: AccountKind
    unit: str

    @property
    def ledger_account_id(self) -> str:
        return f"{self.owner_id}:{self.kind}:{self.unit}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """`amount` goes from one account to another: two entries, −amount and +amount."""

    transfer_id: str
    kind: str
    reference_id: str
    source: LedgerAccount
    target: LedgerAccount
    amount: int

    def __post_init__(self) -> None:
        assert 0 < self.amount <= MAX_MINOR, "a transfer moves a positive amount"
        assert self.source.unit == self.target.unit, "a transfer keeps its unit"

    def entries(self) -> list[tuple[LedgerAccount, int]]:
        """The entries by account: everyone locks accounts in this order, so that transfers cannot deadlock."""
        return sorted([(self.source, -self.amount), (self.target, self.amount)])


def money(kind: Literal["external", "available", "frozen"], owner_id: str, currency: str) -> LedgerAccount:
    kinds: dict[str, AccountKind] = {
        "external": "money_external",
        "available": "money_available",
        "frozen": "money_frozen",
    }
    return LedgerAccount(owner_id, kinds[kind], currency)


def credit(transfer_id: str, customer_id: str, amount: Money) -> Transfer:
    """Money that came from outside the ledger."""
    source = money("external", customer_id, amount.currency)
    target = money("available", customer_id, amount.currency)
    return Transfer(transfer_id, "credit", transfer_id, source, target, amount.amount_minor)


def freeze(transfer_id: str, order_id: str, customer_id: str, amount: Money) -> Transfer:
    """Available to frozen, for an order."""
    source = money("available", customer_id, amount.currency)
    target = money("frozen", customer_id, amount.currency)
    return Transfer(transfer_id, "freeze", order_id, source, target, amount.amount_minor)


def release(transfer_id: str, order_id: str, customer_id: str, amount: Money) -> Transfer:
    """Frozen back to available, for an order that was cancelled."""
    source = money("frozen", customer_id, amount.currency)
    target = money("available", customer_id, amount.currency)
    return Transfer(transfer_id, "release", order_id, source, target, amount.amount_minor)


def debit(transfer_id: str, order_id: str, customer_id: str, amount: Money) -> Transfer:
    """Frozen to outside the ledger, for an order that was confirmed."""
    source = money("frozen", customer_id, amount.currency)
    target = money("external", customer_id, amount.currency)
    return Transfer(transfer_id, "debit", order_id, source, target, amount.amount_minor)


def grant_points(transfer_id: str, customer_id: str, points: int) -> Transfer:
    source = LedgerAccount(customer_id, "points_granted", POINTS)
    return Transfer(transfer_id, "grant", transfer_id, source, held(customer_id), points)


def spend_points(transfer_id: str, tip_id: str, customer_id: str, points: int) -> Transfer:
    target = LedgerAccount(customer_id, "points_spent", POINTS)
    return Transfer(transfer_id, "tip", tip_id, held(customer_id), target, points)


def refund_points(transfer_id: str, tip_id: str, customer_id: str, points: int) -> Transfer:
    source = LedgerAccount(customer_id, "points_spent", POINTS)
    return Transfer(transfer_id, "refund", tip_id, source, held(customer_id), points)


def expire_points(transfer_id: str, grant_id: str, customer_id: str, points: int) -> Transfer:
    target = LedgerAccount(customer_id, "points_expired", POINTS)
    return Transfer(transfer_id, "expire", grant_id, held(customer_id), target, points)


def held(customer_id: str) -> LedgerAccount:
    return LedgerAccount(customer_id, "points_held", POINTS)
