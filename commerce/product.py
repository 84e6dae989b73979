"""Products, their immutable card versions, and who may move them. Pure."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from commerce.errors import Forbidden, IllegalMove, Invalid
from commerce.money import CURRENCIES, MAX_MINOR

Rating = Literal["R1", "R2", "R3", "R4", "R5"]

# The sentences that wealth-product sales rules want on screen while a card is shown.
RISK_SENTENCE = "理财非存款，产品有风险，投资须谨慎"
PAST_PERFORMANCE_SENTENCE = "理财产品过往业绩不代表其未来表现，不等于理财产品实际收益，投资须谨慎"
_LEVELS: dict[str, int] = {f"R{level}": level for level in range(1, 6)}
_DECIMAL = re.compile(r"^[0-9]{1,9}\.[0-9]{1,8}$")


class Benchmark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A performance benchmark and what it is computed from; a benchmark without basis may not be shown."""

    text: str
    basis: str


class Fee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the fee table, in words."""

    name: str
    text: str


class DocumentText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sales document as the maker hands it in."""

    title: str
    text: str

    @property
    def sha256(self) -> str:
        return sha256_hex(self.text)


class CardContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a maker says about a product: one card version. Amounts in minor units of `currency`."""

    name: str
    issuer: str
    seller_role: Literal["own", "agency"]
    product_type: Literal["cash", "fixed_income", "mixed", "equity", "derivative"]
    issuer_rating: Rating
    seller_rating: Rating
    publicly_offered: bool
    currency: str
    term_days: int | None = None
    nav: str | None = None
    benchmark: Benchmark | None = None
    past_performance_shown: bool
    fees: tuple[Fee, ...] = ()
    subscription_fee_bps: int = 0
    minimum_minor: int
    increment_minor: int
    customer_maximum_minor: int
    window_opens_at: datetime
    window_closes_at: datetime
    settlement: str
    quota_total_minor: int
    disclosure_text: str
    documents: tuple[DocumentText, ...]

    @property
    def risk_rating(self) -> int:
        """The higher of the two ratings, where issuer and seller differ."""
        return max(rating_level(self.issuer_rating), rating_level(self.seller_rating))


class CardDocument(msgspec.Struct, frozen=True):
    """A document as a card names it."""

    document_id: str
    title: str
    sha256: str

    @property
    def url(self) -> str:
        return f"/api/v1/documents/{self.document_id}"


@dataclass(frozen=True, slots=True)
class CardVersion:
    """One stored card version; `content.documents` is empty here, `documents` names them."""

    product_id: str
    card_version: int
    content: CardContent
    documents: tuple[CardDocument, ...]
    disclosure_sha256: str


class ProductState(StrEnum):
    """The state of a product's latest card version."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Product:
    """`approved_version` is the one on sale, which may be older than the latest; None means not on sale."""

    product_id: str
    state: ProductState
    latest_version: int
    approved_version: int | None
    maker_id: str


_P = ProductState
_MOVES: dict[tuple[ProductState, str], ProductState] = {
    (_P.DRAFT, "submit"): _P.IN_REVIEW,
    (_P.IN_REVIEW, "approve"): _P.APPROVED,
    (_P.IN_REVIEW, "reject"): _P.REJECTED,
    **{(state, "withdraw"): _P.WITHDRAWN for state in _P if state is not _P.WITHDRAWN},
    **{(state, "edit"): _P.DRAFT for state in (_P.DRAFT, _P.APPROVED, _P.REJECTED)},
}
CHECKS = frozenset({"approve", "reject"})


def move(product: Product, name: str, actor_id: str) -> ProductState:
    """Return the state after this move; raises IllegalMove, or Forbidden `maker_is_checker`."""
    after = _MOVES.get((product.state, name))
    if after is None:
        allowed = [known for state, known in _MOVES if state is product.state]
        raise IllegalMove(product.state, allowed, f"a product that is {product.state} does not take '{name}'")
    if name in CHECKS and actor_id == product.maker_id:
        raise Forbidden("maker_is_checker", "somebody else than the maker decides about a product")
    if name == "submit" and actor_id != product.maker_id:
        raise Forbidden("not_the_maker", "the maker of this version submits it")
    return after


def is_riskier(content: CardContent, on_sale: CardContent) -> bool:
    """Say whether a new version rates the product higher than the card that customers buy by.

    The higher of the two ratings counts, as it does for customers: one that rises below the other changes nothing.
    """
    return content.risk_rating > on_sale.risk_rating


def rating_level(rating: str) -> int:
    """`R3` is 3."""
    return _LEVELS[rating]


def sha256_hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def check_content(content: CardContent) -> None:
    """Raise Invalid `bad_product` with the list of what is wrong with a card's content."""
    problems = [text for wrong, text in _rules(content) if wrong]
    if problems:
        raise Invalid("bad_product", "; ".join(problems), problems=problems)


def _rules(content: CardContent) -> list[tuple[bool, str]]:
    amounts = {
        "minimum_minor": content.minimum_minor,
        "increment_minor": content.increment_minor,
        "customer_maximum_minor": content.customer_maximum_minor,
        "quota_total_minor": content.quota_total_minor,
    }
    texts = {"name": content.name, "issuer": content.issuer, "settlement": content.settlement}
    long_texts = {"disclosure_text": content.disclosure_text}
    naive = content.window_opens_at.tzinfo is None or content.window_closes_at.tzinfo is None
    return [
        *[(not 0 < amount <= MAX_MINOR, f"{name} is out of range") for name, amount in amounts.items()],
        *[(not 0 < len(text.strip()) <= 200, f"{name} is empty or too long") for name, text in texts.items()],
        *[(not 0 < len(text.strip()) <= 50_000, f"{name} is empty or too long") for name, text in long_texts.items()],
        (not content.publicly_offered, "only publicly offered products may be shown"),
        (content.currency not in CURRENCIES, "currency is not an ISO 4217 code"),
        (content.customer_maximum_minor < content.minimum_minor, "customer_maximum_minor is below minimum_minor"),
        (content.quota_total_minor < content.minimum_minor, "quota_total_minor is below minimum_minor"),
        ((content.nav is None) == (content.benchmark is None), "exactly one of nav and benchmark is needed"),
        (content.nav is not None and not _DECIMAL.match(content.nav), "nav is a decimal such as \"1.0234\""),
        (content.term_days is not None and not 0 < content.term_days < 36_525, "term_days is out of range"),
        (not 0 <= content.subscription_fee_bps <= 1000, "subscription_fee_bps is between 0 and 1000"),
        (naive, "the window's times need their offset from UTC"),
        (not naive and content.window_opens_at >= content.window_closes_at, "the window closes before it opens"),
        (not 0 < len(content.documents) <= 20, "between 1 and 20 documents are needed"),
        (any(not d.title.strip() or not d.text.strip() for d in content.documents), "a document is empty"),
    ]  # fmt: skip
