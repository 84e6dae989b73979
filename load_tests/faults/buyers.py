"""Customers who buy without a pause: acknowledge once, then reserve and submit, each under a key. I/O: HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from load_tests.http_client import ApiError, Door, Unreachable

_AMOUNTS_MINOR: Final = (100_000, 200_000, 300_000)
_AGAIN_S: Final = 0.5
_STALE: Final = ("disclosure_missing", "card_version_stale", "acknowledgement_expired")
_NOT_FINAL: Final = ("busy", "in_progress", "monitor_absent", "recording_unavailable")
_NO_SALE: Final = "card_pulled"
"""Final for its key, but no sign that the sale goes on."""


@dataclass
class Sales:
    """What the buyers were told since the last reset."""

    orders: dict[str, str] = field(default_factory=dict)
    """The last state told of each order."""
    refused: Counter[str] = field(default_factory=Counter)
    after_retries: list[str] = field(default_factory=list)
    """Final refusals of a request that was sent more than once."""
    without_hint: int = 0
    last_decided_s: float = 0.0
    last_accepted_s: float = 0.0


class Buyer:
    """One customer; `asked` counts the keys that may have made an order, over the whole run."""

    def __init__(self, market: Market, account_id: str, token: str) -> None:
        self._market = market
        self.account_id = account_id
        self._token = token
        self._acknowledgement = ""
        self.asked = 0
        self._turn = 0

    async def buy_for_ever(self, first_s: float, every_s: float) -> None:
        """One purchase after the other, at a steady pace."""
        loop = asyncio.get_running_loop()
        next_s = loop.time() + first_s
        while True:
            await asyncio.sleep(max(0.0, next_s - loop.time()))
            next_s = max(next_s + every_s, loop.time())
            if not self._acknowledgement:
                await self._acknowledge()
            if self._acknowledgement:
                await self._buy()

    async def _buy(self) -> None:
        self._turn += 1
        amount_minor = _AMOUNTS_MINOR[self._turn % len(_AMOUNTS_MINOR)]
        body = {"acknowledgement_id": self._acknowledgement, "amount_minor": amount_minor, "currency": "CNY"}
        self.asked += 1
        order = await self._until_answered("/api/v1/orders", body, uuid4().hex)
        if order is None:
            self.asked -= 1  # a final refusal makes no order
            return
        await self._until_answered(f"/api/v1/orders/{order['order_id']}/submit", None, uuid4().hex)

    async def _until_answered(self, path: str, body: object, key: str) -> dict[str, Any] | None:
        """Send the same request under the same key until the answer is final; None for a refusal."""
        loop = asyncio.get_running_loop()
        tries: list[str] = []
        while True:
            sales = self._market.sales
            try:
                answer = await self._market.call("POST", path, self._token, body, key)
            except Unreachable:
                sales.refused["unreachable"] += 1
                tries.append("unreachable")
                await asyncio.sleep(_AGAIN_S)
                continue
            except ApiError as error:
                sales.refused[error.code] += 1
                if tries and error.status != 503 and error.code not in _NOT_FINAL:
                    sales.after_retries.append(f"{self.account_id} {path} {key}: {error.code} after {tries}")
                tries.append(error.code)
                if error.status == 503 or error.code in _NOT_FINAL:
                    sales.without_hint += error.status == 503 and error.retry_after_s is None
                    await asyncio.sleep(min(error.retry_after_s or _AGAIN_S, 2.0))
                    continue
                if error.code != _NO_SALE:
                    sales.last_decided_s = loop.time()
                if error.code in _STALE:
                    self._acknowledgement = ""
                return None
            if answer["state"] == "outcome_unknown":
                await asyncio.sleep(_AGAIN_S)
                continue
            sales.orders[answer["order_id"]] = answer["state"]
            sales.last_decided_s = loop.time()
            if answer["state"] == "accepted":
                sales.last_accepted_s = loop.time()
            return answer

    async def _acknowledge(self) -> None:
        market = self._market
        try:
            path = f"/api/v1/broadcasts/{market.broadcast_id}/gate?product_id={market.product_id}"
            gate = await market.call("GET", path, self._token)
            card = gate["card"]
            asked = {
                "broadcast_id": market.broadcast_id,
                "product_id": market.product_id,
                "card_version": card["card_version"],
                "typed_text": gate["acknowledgement_text"],
                "documents_opened": [document["document_id"] for document in card["documents"]],
                "dwell_ms": 5_000,
            }
            answer = await market.call("POST", "/api/v1/acknowledgements", self._token, asked)
            self._acknowledgement = str(answer["acknowledgement_id"])
        except ApiError as error:
            market.sales.refused[f"gate {error.code}"] += 1
        except Unreachable:
            market.sales.refused["unreachable"] += 1


class Market:
    """All buyers of one product in one broadcast."""

    def __init__(self, door: Door, broadcast_id: str, product_id: str, accounts: list[dict[str, str]]) -> None:
        self._door = door
        self.broadcast_id = broadcast_id
        self.product_id = product_id
        self.sales = Sales()
        self.buyers = [Buyer(self, one["account_id"], one["token"]) for one in accounts]

    async def buy(self, per_s: float) -> None:
        """Let all buy, so many purchases a second together, for ever."""
        every_s = len(self.buyers) / per_s
        async with asyncio.TaskGroup() as group:
            for number, buyer in enumerate(self.buyers):
                group.create_task(buyer.buy_for_ever(number / per_s, every_s))

    def begin_anew(self) -> None:
        """Count anew; the keys asked are counted over the whole run."""
        self.sales = Sales()

    async def call(
        self, method: str, path: str, token: str, json: object = None, key: str | None = None
    ) -> dict[str, Any]:
        """One request of one customer; raises ApiError and Unreachable."""
        import msgspec

        headers = {} if key is None else {"Idempotency-Key": key}
        content, _ = await self._door.call(method, path, token=token, json=json, headers=headers)
        return msgspec.json.decode(content, type=dict[str, Any])
