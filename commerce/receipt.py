"""What a customer reads of an order: its view, and the receipt that is frozen when it is accepted. Pure."""

from datetime import datetime

import msgspec

from commerce.evidence import SaleFile
from commerce.facts import NewFact, order_payload
from commerce.order import Order, allowed_acts
from commerce.ports import BroadcastFacts
from commerce.purchase import AcknowledgementMethod


class Amount(msgspec.Struct, frozen=True):
    amount_minor: int
    currency: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence for the customer: what was bought, under which disclosure, when in the show."""

    order_id: str
    customer_name: str
    product: str
    risk_rating: str
    risk_tolerance: str
    amount: Amount
    card_version: int
    disclosure_text: str
    disclosure_sha256: str
    acknowledgement_text: str
    acknowledgement_method: AcknowledgementMethod = "typed"  # receipts of before it was kept were typed
    acknowledged_at: datetime
    accepted_at: datetime
    stream_time_ms: int | None
    broadcast_title: str
    host: str
    licence_no: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order as docs/protocol.md has it; without a receipt before it is accepted."""

    order_id: str
    state: str
    product_id: str
    product_name: str
    card_version: int
    broadcast_id: str
    amount_minor: int
    currency: str
    fee_minor: int
    reserved_until: datetime
    created_at: datetime
    stream_time_ms: int | None
    allowed: tuple[str, ...] = ()
    receipt: Receipt | msgspec.UnsetType = msgspec.UNSET


def order_view(order: Order, product_name: str, receipt: Receipt | None) -> OrderView:
    return OrderView(
        order_id=order.order_id,
        state=order.state.value,
        product_id=order.product_id,
        product_name=product_name,
        card_version=order.card_version,
        broadcast_id=order.broadcast_id,
        amount_minor=order.amount.amount_minor,
        currency=order.amount.currency,
        fee_minor=order.fee_minor,
        reserved_until=order.reserved_until,
        created_at=order.created_at,
        stream_time_ms=order.stream_time_ms,
        allowed=allowed_acts(order),
        receipt=msgspec.UNSET if receipt is None else receipt,
    )


def make_receipt(order: Order, file: SaleFile, facts: BroadcastFacts, accepted_at: datetime) -> Receipt:
    """Freeze an accepted order's evidence; levels are those at the time of reserving."""
    card, acknowledgement = file.card, file.reading.acknowledgement
    return Receipt(
        order_id=order.order_id,
        customer_name=file.customer.masked_name,
        product=card.content.name,
        risk_rating=f"R{order.risk_rating}",
        risk_tolerance=f"C{order.risk_tolerance}",
        amount=Amount(order.amount.amount_minor, order.amount.currency),
        card_version=card.card_version,
        disclosure_text=card.content.disclosure_text,
        disclosure_sha256=card.disclosure_sha256,
        acknowledgement_text=acknowledgement.typed_text,
        acknowledgement_method=acknowledgement.method,
        acknowledged_at=acknowledgement.acknowledged_at,
        accepted_at=accepted_at,
        stream_time_ms=order.stream_time_ms,
        broadcast_title=facts.title,
        host=facts.host_name,
        licence_no=facts.licence_no,
    )


def order_changed(order: Order) -> NewFact:
    """The fact for the owner's connections."""
    amount = order.amount
    payload = order_payload(order.order_id, order.state.value, amount.amount_minor, amount.currency, order.product_id)
    return NewFact("order", order.broadcast_id, payload, account_id=order.customer_id)
