"""A product card as customers and staff read it. Pure."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from commerce.product import (
    PAST_PERFORMANCE_SENTENCE,
    RISK_SENTENCE,
    Benchmark,
    CardVersion,
    Fee,
    ProductState,
    Rating,
)
from commerce.suitability import suitable_levels


class DocumentView(msgspec.Struct, frozen=True):
    """A sales document as a card names it."""

    document_id: str
    title: str
    sha256: str
    url: str


class CardView(msgspec.Struct, kw_only=True):
    """The card as docs/protocol.md has it; the quota as it may be shown."""

    product_id: str
    card_version: int
    name: str
    issuer: str
    seller_role: Literal["own", "agency"]
    product_type: str
    currency: str
    term_days: int | None
    nav: str | None
    benchmark: Benchmark | None
    past_performance_shown: bool
    fees: tuple[Fee, ...]
    subscription_fee_bps: int
    minimum_minor: int
    increment_minor: int
    customer_maximum_minor: int
    window_opens_at: datetime
    window_closes_at: datetime
    settlement: str
    quota_total_minor: int
    disclosure_text: str
    risk_rating: str
    suitable_levels: tuple[str, ...]
    quota_left_minor: int
    standing_sentences: tuple[str, ...]
    documents: tuple[DocumentView, ...]


class ProductView(CardView, kw_only=True):
    """A card with where its product stands; everything after `state` is for staff."""

    state: ProductState
    approved_version: int | UnsetType | None = UNSET
    maker_id: str | UnsetType = UNSET
    issuer_rating: Rating | UnsetType = UNSET
    seller_rating: Rating | UnsetType = UNSET


def card_view(card: CardVersion, quota_total_minor: int, quota_left_minor: int) -> CardView:
    """Render the card; the quota comes in as it may be shown."""
    content = card.content
    sentences = [RISK_SENTENCE, *([PAST_PERFORMANCE_SENTENCE] if content.past_performance_shown else [])]
    return CardView(
        product_id=card.product_id,
        card_version=card.card_version,
        name=content.name,
        issuer=content.issuer,
        seller_role=content.seller_role,
        product_type=content.product_type,
        currency=content.currency,
        term_days=content.term_days,
        nav=content.nav,
        benchmark=content.benchmark,
        past_performance_shown=content.past_performance_shown,
        fees=content.fees,
        subscription_fee_bps=content.subscription_fee_bps,
        minimum_minor=content.minimum_minor,
        increment_minor=content.increment_minor,
        customer_maximum_minor=content.customer_maximum_minor,
        window_opens_at=content.window_opens_at,
        window_closes_at=content.window_closes_at,
        settlement=content.settlement,
        quota_total_minor=quota_total_minor,
        disclosure_text=content.disclosure_text,
        risk_rating=f"R{content.risk_rating}",
        suitable_levels=suitable_levels(content.risk_rating),
        quota_left_minor=quota_left_minor,
        standing_sentences=tuple(sentences),
        documents=tuple(DocumentView(d.document_id, d.title, d.sha256, d.url) for d in card.documents),
    )
