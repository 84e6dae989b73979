"""A small bank for the commerce tests: a clock that is set, broadcasts that are set, one customer, one product."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from commerce.core import CoreBanking
from commerce.envelopes import Envelopes
from commerce.gate import Reading
from commerce.money import Money
from commerce.ports import Actor, BroadcastFacts
from commerce.product import Benchmark, CardContent, DocumentText, Fee
from commerce.purchase import ACKNOWLEDGEMENT_TEXT
from commerce.receipt import OrderView
from commerce.service import CommerceService
from commerce.settings import CommerceSettings
from commerce.suitability import Customer

DATA_KEYS = {"t1": "Zm9yLXRlc3RpbmctYW5kLWZvci1ub3RoaW5nLWVsc2U="}
ENVELOPES = Envelopes.of_base64(DATA_KEYS)
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
HOST = Actor("ac_host", "host")
MONITOR = Actor("ac_monitor", "monitor")
SHELF = frozenset({"pr_a", "pr_b", "pr_draft", "pr_nav", "pr_none", *(f"pr_{n}" for n in range(4))})
ON_AIR = BroadcastFacts(True, "live", "早间理财", "ac_host", "林晓", "L-001", 65_000, False, False, shelf=SHELF)
GONE = BroadcastFacts(False, "", "", "", "", "", None, False, False)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Broadcasts:
    """The port's fake: what a test says is so."""

    known: dict[str, BroadcastFacts] = field(default_factory=lambda: {"bc_a": ON_AIR, "bc_b": ON_AIR})
    failing: bool = False

    async def read(self, broadcast_id: str) -> BroadcastFacts:
        if self.failing:
            raise TimeoutError
        return self.known.get(broadcast_id, GONE)

    def change(self, broadcast_id: str, **changes: Any) -> None:
        self.known[broadcast_id] = replace(self.known[broadcast_id], **changes)


def content(**changes: Any) -> CardContent:
    """A plain product, changed as a test needs it."""
    plain = CardContent(
        name="稳健180天",
        issuer="示例理财子公司",
        seller_role="agency",
        product_type="fixed_income",
        issuer_rating="R2",
        seller_rating="R1",
        publicly_offered=True,
        currency="CNY",
        term_days=180,
        benchmark=Benchmark("2.10%–2.60%", "中债指数"),
        past_performance_shown=True,
        fees=(Fee("认购费", "0.5%"),),
        subscription_fee_bps=50,
        minimum_minor=100_000,
        increment_minor=10_000,
        customer_maximum_minor=50_000_000,
        window_opens_at=NOW - timedelta(days=1),
        window_closes_at=NOW + timedelta(days=30),
        settlement="T+1",
        quota_total_minor=300_000_000,
        disclosure_text="本产品不保证本金和收益。",
        documents=(DocumentText("风险揭示书", "风险揭示书全文"), DocumentText("产品说明书", "产品说明书全文")),
    )
    return CardContent(**{name: changes.get(name, getattr(plain, name)) for name in plain.__struct_fields__})


def customer(customer_id: str = "ac_ann", **changes: Any) -> Customer:
    plain = Customer(customer_id, "*安", date(1990, 5, 1), 3, NOW - timedelta(days=30), None)
    return msgspec.structs.replace(plain, **changes)


class Bank:
    """The service on a real database, and the ways through it that tests take."""

    def __init__(self, pool: asyncpg.Pool, settings: CommerceSettings | None = None) -> None:
        self.pool = pool
        self.clock = Clock()
        self.broadcasts = Broadcasts()
        numbers = itertools.count(1)
        self.new_id: Callable[[str], str] = lambda prefix: f"{prefix}_{next(numbers):08d}"
        self._settings = settings
        self.export_dir: Path | None = None
        self.use_core(None)

    def use_core(self, core: CoreBanking | None) -> None:
        """Make the service anew, as after a restart, with this core; None is the embedded one."""
        self.service = CommerceService(
            self.pool,
            broadcasts=self.broadcasts,
            now=self.clock,
            new_id=self.new_id,
            envelopes=ENVELOPES,
            settings=self._settings,
            evidence_export_dir=self.export_dir,
            core=core,
        )

    async def approved(self, product_id: str = "pr_a", **changes: Any) -> str:
        """Make a product and take it through review."""
        await self.service.products.create(content(**changes), "ac_host", product_id=product_id)
        await self.service.products.move(product_id, "submit", "ac_host")
        await self.service.products.move(product_id, "approve", "ac_checker")
        return product_id

    async def open_shop(self, **changes: Any) -> None:
        """A product on stage and a customer with money: everything that a purchase needs."""
        await self.approved(**changes)
        await self.service.stage.feature("bc_a", "pr_a", HOST)
        await self.add_customer()

    async def add_customer(self, customer_id: str = "ac_ann", money: int = 100_000_000, **changes: Any) -> None:
        await self.service.customers.upsert(customer(customer_id, **changes))
        if money:
            transfer_id = f"seed_{customer_id}"
            await self.service.customers.credit(customer_id, Money(money, "CNY"), transfer_id=transfer_id)

    async def reading(self, product_id: str = "pr_a", broadcast_id: str = "bc_a") -> Reading:
        """A reading of the product as it should be done."""
        card = await self.service.products.read(product_id, staff=False)
        opened = tuple(document.document_id for document in card.documents)
        version = card.card_version
        return Reading(broadcast_id, product_id, version, ACKNOWLEDGEMENT_TEXT, opened, 30_000)

    async def acknowledged(self, customer_id: str = "ac_ann", broadcast_id: str = "bc_a") -> str:
        reading = await self.reading(broadcast_id=broadcast_id)
        return (await self.service.gate.acknowledge(customer_id, reading)).acknowledgement_id

    async def reserved(self, customer_id: str = "ac_ann", amount_minor: object = 100_000, key: str = "k1") -> OrderView:
        acknowledgement_id = await self.acknowledged(customer_id)
        return await self.service.sale.reserve(customer_id, acknowledgement_id, amount_minor, "CNY", key)

    async def accepted(self, customer_id: str = "ac_ann", amount_minor: int = 100_000, key: str = "k1") -> OrderView:
        order = await self.reserved(customer_id, amount_minor, key)
        return await self.service.sale.submit(customer_id, order.order_id, key)

    async def taken_minor(self, product_id: str = "pr_a") -> int:
        taken: int = await self.pool.fetchval("SELECT taken_minor FROM quotas WHERE product_id = $1", product_id)
        return taken

    async def available_minor(self, customer_id: str = "ac_ann") -> int:
        available = (await self.service.gate.check("bc_a", "pr_a", customer_id)).customer.available_minor
        assert available is not None, "the embedded core says it"
        return available
