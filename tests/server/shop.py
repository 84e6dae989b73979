"""The sale behind a real HTTP server and a real database, with a set clock and set broadcasts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from aiohttp.test_utils import TestClient, TestServer

from commerce.purchase import ACKNOWLEDGEMENT_TEXT
from commerce.settings import CommerceSettings
from server.auth.accounts_postgres import AccountStore
from server.auth.identities import Identities, LocalIdentities
from server.auth.passwords import Passwords
from server.auth.proofs import Proofs
from server.http import documents, identity, orders, points, products, stage
from server.http.application import build
from server.http.commerce_errors import commerce_error
from server.http.password_door import PasswordDoor
from tests.commerce.bank import ENVELOPES, Bank, content
from tests.server.people import TOKENS, seed_people, session

Answer = tuple[int, Any]
PROOFS = Proofs(TOKENS.secret)


def product_body(**changes: Any) -> dict[str, Any]:
    """A product as its maker posts it."""
    body: dict[str, Any] = msgspec.to_builtins(content())
    return {**body, **changes}


class Shop:
    """A client, and the ways through the API that tests take."""

    def __init__(self, client: TestClient[Any, Any], bank: Bank) -> None:
        self.client = client
        self.bank = bank

    async def call(
        self, method: str, path: str, who: str | None, body: Any = None, *, raw: str | None = None, **headers: str
    ) -> Answer:
        """Send JSON (or `raw` text) as this person; returns status and decoded body."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        sent: dict[str, Any] = {"json": body} if raw is None else {"data": raw}
        if raw is not None:
            headers = {"Content-Type": "application/json", **headers}
        async with self.client.request(
            method, f"/api/v1{path}", headers={**(session(who) if who else {}), **headers}, **sent
        ) as response:
            if response.status in (204, 304):
                return response.status, None
            return response.status, msgspec.json.decode(await response.read())

    async def opened(self, **changes: Any) -> None:
        """An approved product on stage, and two customers with money."""
        await self.bank.open_shop(**changes)
        for customer_id in ("ac_viewer", "ac_viewer2"):
            await self.bank.add_customer(customer_id)

    async def acknowledged(self, who: str = "viewer", **changes: Any) -> Answer:
        status, card = await self.call("GET", "/broadcasts/bc_a/card", who)
        assert status == 200, card
        body = {
            "broadcast_id": "bc_a",
            "product_id": card["product_id"],
            "card_version": card["card_version"],
            "typed_text": ACKNOWLEDGEMENT_TEXT,
            "documents_opened": [document["document_id"] for document in card["documents"]],
            "dwell_ms": 12_000,
        }
        return await self.call("POST", "/acknowledgements", who, {**body, **changes})

    async def reserve(self, who: str = "viewer", key: str = "k1", **changes: Any) -> Answer:
        status, acknowledgement = await self.acknowledged(who)
        assert status == 201, acknowledgement
        body = {
            "acknowledgement_id": acknowledgement["acknowledgement_id"],
            "amount_minor": 200_000,
            "currency": "CNY",
        }
        return await self.call("POST", "/orders", who, {**body, **changes}, Idempotency_Key=key)


@asynccontextmanager
async def open_shop(
    pool: asyncpg.Pool, settings: CommerceSettings | None = None,
    identities: Callable[[Bank], Identities] = lambda _: LocalIdentities(TOKENS),
) -> AsyncIterator[Shop]:  # fmt: skip
    """Serve the sale's routes on a free port of the loopback interface."""
    bank = Bank(pool, settings)
    routes = [route for module in (products, stage, points, documents) for route in module.routes(bank.service)]
    routes += orders.routes(bank.service, PROOFS)
    await seed_people(pool)
    passwords = Passwords(threads=1)
    routes += identity.routes(AccountStore(pool, ENVELOPES), PasswordDoor(passwords), PROOFS)
    app = build(routes, identities(bank), (commerce_error,), bank.service.places)
    async with TestClient(TestServer(app)) as client:
        yield Shop(client, bank)
    passwords.close()
