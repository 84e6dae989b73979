"""A customer who buys as the rules ask: gate, documents, an honest dwell, acknowledgement, order, submission.

I/O through the HTTP client only.
"""

import asyncio
import time
from typing import Any, Final
from uuid import uuid4

from load_tests.http_client import ApiError, Person
from load_tests.show.purchase import amount_minor

_TYPING_S: Final = 2.0


class Buyer:
    """One customer's purchases in one broadcast; remembers what can still be cancelled."""

    def __init__(self, person: Person, broadcast_id: str) -> None:
        self._person = person
        self._broadcast_id = broadcast_id
        self._accepted: list[str] = []

    async def buy(self, product_id: str, shares: int) -> str | None:
        """Buy; return the order's id, or None where the gate or the purse says no.

        Raises ApiError for the server's later refusals, and Unreachable.
        """
        gate_path = f"/api/v1/broadcasts/{self._broadcast_id}/gate?product_id={product_id}"
        gate = await self._person.call("GET", gate_path)
        if not gate["allowed"]:
            return None
        card = gate["card"]
        amount = amount_minor(card, shares, int(gate["customer"]["available_minor"]))
        if amount is None:
            return None
        acknowledgement = await self._acknowledge(card, int(gate["minimum_dwell_ms"]), gate["acknowledgement_text"])
        order = await self._person.call(
            "POST",
            "/api/v1/orders",
            {"acknowledgement_id": acknowledgement, "amount_minor": amount, "currency": card["currency"]},
            idempotency_key=uuid4().hex,
        )
        order_id = str(order["order_id"])
        await self._submit(f"/api/v1/orders/{order_id}/submit")
        self._accepted.append(order_id)
        return order_id

    async def _submit(self, path: str) -> None:
        """Submit; where the bank asks who it is, give the password and submit again under the same key."""
        key = uuid4().hex
        try:
            await self._person.call("POST", path, idempotency_key=key)
        except ApiError as error:
            if error.code != "reauthentication_required":
                raise
            proof = {"identity_proof": await self._person.prove()}
            await self._person.call("POST", path, proof, idempotency_key=key)

    async def cancel_all(self) -> None:
        """Cancel what was bought, so that the quota lasts; raises ApiError and Unreachable."""
        while self._accepted:
            order_id = self._accepted.pop()
            await self._person.call("POST", f"/api/v1/orders/{order_id}/cancel", idempotency_key=uuid4().hex)

    async def _acknowledge(self, card: dict[str, Any], minimum_dwell_ms: int, text: str) -> str:
        """Open every document, stay for at least the minimum, type the sentence."""
        opened_at = time.monotonic()
        for document in card["documents"]:
            await self._person.send("GET", document["url"])
        await asyncio.sleep(minimum_dwell_ms / 1000 + _TYPING_S)
        answer = await self._person.call(
            "POST",
            "/api/v1/acknowledgements",
            {
                "broadcast_id": self._broadcast_id,
                "product_id": card["product_id"],
                "card_version": card["card_version"],
                "typed_text": text,
                "documents_opened": [document["document_id"] for document in card["documents"]],
                "dwell_ms": int((time.monotonic() - opened_at) * 1000),
            },
        )
        return str(answer["acknowledgement_id"])
