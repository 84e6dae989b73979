"""The purchase over HTTP: gate, acknowledgements, orders. Every answer is of the one who asks."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from commerce.gate import Reading
from commerce.purchase import AcknowledgementMethod
from commerce.receipt import OrderView
from commerce.service import CommerceService
from server.auth.permissions import require
from server.auth.proofs import Proofs
from server.http.body import json_response, read_json
from server.http.errors import ApiError
from server.http.query import flag, idempotency_key, page_of, page_size, page_start, path_id
from server.ids import is_id

_BASE = "/api/v1/orders"

_Id = Annotated[str, Meta(max_length=43, pattern=r"^[a-z]{2}_[0-9a-z_]{1,40}$")]


class NewAcknowledgement(msgspec.Struct, forbid_unknown_fields=True):
    """What was read and agreed to, and how; `dwell_ms` up to a day."""

    broadcast_id: _Id
    product_id: _Id
    card_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    typed_text: Annotated[str, Meta(max_length=200)]
    documents_opened: Annotated[tuple[_Id, ...], Meta(max_length=50)]
    dwell_ms: Annotated[int, Meta(ge=0, le=86_400_000)]
    extra_disclosure_read: bool = False
    method: AcknowledgementMethod = "typed"


class NewOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Amount and currency are judged by the sale, so that whatever is wrong with them has its own code."""

    acknowledgement_id: _Id
    amount_minor: Any
    currency: Any


class Submission(msgspec.Struct, forbid_unknown_fields=True):
    """What goes with a submission; the proof is asked for where a deployment wants one."""

    identity_proof: Annotated[str, Meta(max_length=1_000)] | None = None


class Acknowledged(msgspec.Struct):
    """What an order names, and until when it may."""

    acknowledgement_id: str
    expires_at: datetime


class OrderList(msgspec.Struct):
    """A page of one's own orders, newest first; `next` is the address of the page after it."""

    orders: list[OrderView]
    next: str | None


def routes(service: CommerceService, proofs: Proofs) -> list[web.RouteDef]:
    """Routes of the gate, of acknowledgements and of orders."""
    serving = _Orders(service, proofs)
    return [
        web.get("/api/v1/broadcasts/{broadcast_id}/gate", serving.gate),
        web.post("/api/v1/acknowledgements", serving.acknowledge),
        web.post(_BASE, serving.create),
        web.get(_BASE, serving.own),
        web.get(_BASE + "/{order_id}", serving.show),
        web.post(_BASE + "/{order_id}/submit", serving.submit),
        web.post(_BASE + "/{order_id}/extend", serving.extend),
        web.post(_BASE + "/{order_id}/cancel", serving.cancel),
    ]


@dataclass(frozen=True)
class _Orders:
    service: CommerceService
    proofs: Proofs

    async def gate(self, request: web.Request) -> web.Response:
        who = require(request, "gate.read")
        broadcast_id = path_id(request, "broadcast_id", "bc", "no_such_broadcast")
        product_id = request.query.get("product_id", "")
        if not is_id(product_id, "pr"):
            raise ApiError(422, "bad_field", "say which card: ?product_id=pr_…")
        return json_response(await self.service.gate.check(broadcast_id, product_id, who.account_id))

    async def acknowledge(self, request: web.Request) -> web.Response:
        who = require(request, "acknowledgement.create")
        given = await read_json(request, NewAcknowledgement)
        kept = await self.service.gate.acknowledge(who.account_id, Reading(**msgspec.structs.asdict(given)))
        return json_response(Acknowledged(kept.acknowledgement_id, kept.expires_at), status=201)

    async def create(self, request: web.Request) -> web.Response:
        who = require(request, "order.create")
        key = idempotency_key(request)
        given = await read_json(request, NewOrder)
        order = await self.service.sale.reserve(
            who.account_id, given.acknowledgement_id, given.amount_minor, given.currency, key
        )
        return json_response(order, status=201, headers={"Location": f"{_BASE}/{order.order_id}"})

    async def submit(self, request: web.Request) -> web.Response:
        who = require(request, "order.submit")
        key = idempotency_key(request)
        given = await read_json(request, Submission) if request.body_exists else Submission()
        proof = given.identity_proof
        proved_at = who.authenticated_at
        if proof is not None:
            proved_at = self.proofs.read(proof, who.account_id, now_s=time.time())
        order = await self.service.sale.submit(who.account_id, _order_id(request), key, authenticated_at=proved_at)
        return json_response(order)

    async def extend(self, request: web.Request) -> web.Response:
        who = require(request, "order.submit")
        return json_response(
            await self.service.sale.extend(who.account_id, _order_id(request), idempotency_key(request))
        )

    async def cancel(self, request: web.Request) -> web.Response:
        who = require(request, "order.cancel")
        order = await self.service.sale.cancel(who.account_id, _order_id(request), idempotency_key(request))
        return json_response(order)

    async def show(self, request: web.Request) -> web.Response:
        who = require(request, "order.read")
        return json_response(await self.service.sale.read(who.account_id, _order_id(request)))

    async def own(self, request: web.Request) -> web.Response:
        who = require(request, "order.read")
        before, open_only = page_start(request, "before", "or"), flag(request, "open")
        limit = page_size(request)
        found = await self.service.sale.own(
            who.account_id,
            before=before,
            limit=limit + 1,
            open_only=open_only,
            broadcast_id=who.broadcast_id,
        )
        return json_response(OrderList(*page_of(request, found, limit, "before", lambda order: order.order_id)))


def _order_id(request: web.Request) -> str:
    return path_id(request, "order_id", "or", "no_such_order")
