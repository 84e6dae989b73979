"""The report of one show: how many customers came how far with each product, and who looks after the buyers. Pure.

Every count is of distinct customers; one who went further also counts in every step before. No customer stands in it.
"""

from datetime import datetime

import msgspec

STEPS = ("view", "card", "detail", "gate", "acknowledge", "reserve", "submit", "confirm")


class FunnelCounts(msgspec.Struct, kw_only=True, frozen=True):
    """Distinct customers by step.

    `view`: were in the room; `card`: while this card was shown; `detail`: opened it; `gate`: nothing stood against
    buying; `acknowledge`: agreed to the disclosure; `reserve`, `submit`, `confirm`: of their orders.
    """

    view: int
    card: int
    detail: int
    gate: int
    acknowledge: int
    reserve: int
    submit: int
    confirm: int


class ProductFunnel(msgspec.Struct, kw_only=True, frozen=True):
    """One product in one show; amounts in minor units, `confirmed_minor` of what was submitted."""

    product_id: str
    product_name: str
    currency: str
    customers: FunnelCounts
    mismatches_blocked: int
    submitted_minor: int
    confirmed_minor: int


class ManagerLine(msgspec.Struct, kw_only=True, frozen=True):
    """What the customers of one relationship manager bought of one product; null where nobody is on record.

    The name is that of the staff account with this id or employee number, null where there is none.
    """

    relationship_manager_id: str | None
    relationship_manager_name: str | None
    branch: str | None
    product_id: str
    product_name: str
    currency: str
    customers: int
    orders: int
    submitted_minor: int
    confirmed_minor: int


class ShowReport(msgspec.Struct, kw_only=True, frozen=True):
    """A show's report as it stands now; a show that is on air goes on changing it."""

    broadcast_id: str
    title: str
    read_at: datetime
    products: list[ProductFunnel]
    relationship_managers: list[ManagerLine]
