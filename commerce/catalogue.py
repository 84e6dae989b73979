"""Use-cases of the catalogue: make, edit, review, withdraw, read."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import msgspec

from commerce.card_view import ProductView
from commerce.catalogue_postgres import Document
from commerce.dependencies import Dependencies
from commerce.errors import Conflict, Invalid, NotFound
from commerce.money import Money
from commerce.product import (
    CHECKS,
    CardContent,
    CardDocument,
    CardVersion,
    DocumentText,
    Product,
    ProductState,
    check_content,
    is_riskier,
    move,
)
from commerce.quota import Quota
from commerce.stage import pull_product, tell_quota
from commerce.uow_postgres import Unit


class Products:
    """The maker's and the checker's side of products, and what everyone may read of them."""

    def __init__(self, given: Dependencies) -> None:
        self._given = given

    async def create(self, content: CardContent, maker_id: str, *, product_id: str | None = None) -> ProductView:
        """Store a draft with card version 1 and return it as its maker reads it; raises Invalid `bad_product`."""
        check_content(content)
        now = self._given.now()
        product = Product(
            product_id or self._given.new_id("pr"), ProductState.DRAFT, latest_version=1, approved_version=None,
            maker_id=maker_id,
        )  # fmt: skip
        async with self._given.units.begin() as unit:
            await unit.catalogue.save_product(product, None, now)
            await self._add_version(unit, product, content, ())
            await unit.catalogue.record_move(product, "create", maker_id, now)
            return await self._view(unit, product, staff=True)

    async def edit(
        self, product_id: str, changes: dict[str, Any], maker_id: str, *, seen: Collection[str] | None = None
    ) -> ProductView:
        """Make the next card version from the latest and these changes; `seen` as in `move`.

        What is on sale stays on sale, unless the edit says that it is riskier than its card: then it is off sale and
        off every stage at once, until a checker approves the new card.
        """
        now = self._given.now()
        async with self._given.units.begin() as unit:
            before = await _product(unit, product_id, "FOR UPDATE")
            _require_seen(before, seen)
            state = move(before, "edit", maker_id)
            latest = await _card(unit, product_id, before.latest_version)
            content = await _changed(unit, latest, changes)
            check_content(content)
            riskier = before.approved_version is not None and is_riskier(
                content, (await _card(unit, product_id, before.approved_version)).content
            )
            product = replace(
                before, state=state, latest_version=before.latest_version + 1, maker_id=maker_id,
                approved_version=None if riskier else before.approved_version,
            )  # fmt: skip
            await unit.catalogue.save_product(product, None, now)
            await self._add_version(unit, product, content, latest.documents)
            await unit.catalogue.record_move(product, "edit", maker_id, now)
            if riskier:
                await pull_product(unit, product_id, maker_id, "re_rated", now)
            return await self._view(unit, product, staff=True)

    async def move(
        self, product_id: str, name: str, actor_id: str, *, seen: Collection[str] | None = None
    ) -> ProductView:
        """`submit`, `approve`, `reject` or `withdraw`; approving and withdrawing pull the older card everywhere.

        Raises Conflict `version_stale` when the product is none of those that were `seen` (`version_tag`): nobody
        approves what they have not read.
        """
        now = self._given.now()
        async with self._given.units.begin() as unit:
            before = await _product(unit, product_id, "FOR UPDATE")
            _require_seen(before, seen)
            product = replace(before, state=move(before, name, actor_id))
            if name == "approve":
                product = replace(product, approved_version=product.latest_version)
            if name == "withdraw":
                product = replace(product, approved_version=None)
            checker_id = actor_id if name in CHECKS else None
            await unit.catalogue.save_product(product, checker_id, now)
            await unit.catalogue.record_move(product, name, actor_id, now)
            if product.approved_version != before.approved_version:
                reason = "withdrawn" if name == "withdraw" else "new_version"
                await pull_product(unit, product_id, actor_id, reason, now)
            if name == "approve":
                content = (await _card(unit, product_id, product.latest_version)).content
                await unit.quotas.set_total(product_id, Money(content.quota_total_minor, content.currency))
            return await self._view(unit, product, staff=True)

    async def set_quota(self, product_id: str, total: Money) -> Quota:
        """Change an approved product's total and tell where it is shown; raises Conflict `quota_below_taken`."""
        async with self._given.units.begin() as unit:
            product = await _product(unit, product_id)
            if product.approved_version is None:
                raise Conflict("product_not_approved", "a checker has to approve the product first")
            showing = await unit.showings.broadcasts_showing(product_id)
            before = await unit.quotas.locked(product_id)
            after = await unit.quotas.set_total(product_id, total)
            await tell_quota(self._given, unit, product_id, total.currency, before, after, showing)
            return after

    async def read(self, product_id: str, *, staff: bool) -> ProductView:
        """The card on sale; staff read the latest version, whatever its state."""
        async with self._given.units.begin() as unit:
            product = await _product(unit, product_id)
            if not staff and product.approved_version is None:
                raise _no_such_product()
            return await self._view(unit, product, staff=staff)

    async def listing(self, *, staff: bool, after: str, limit: int) -> list[ProductView]:
        """Products by id from after the given one, at most `limit`; customers see those on sale."""
        async with self._given.units.begin() as unit:
            products = await unit.catalogue.products(not staff, after, limit)
            return [await self._view(unit, product, staff=staff) for product in products]

    async def require_on_sale(self, product_ids: Collection[str]) -> None:
        """Raise Conflict `product_not_approved`, with their ids, when any of these is not on sale."""
        async with self._given.units.begin() as unit:
            on_sale = {product.product_id for product in await unit.catalogue.named(product_ids, on_sale_only=True)}
        missing = sorted(set(product_ids) - on_sale)
        if missing:
            raise Conflict("product_not_approved", f"not on sale: {', '.join(missing)}", product_ids=missing)

    async def shelf(self, product_ids: Collection[str], *, staff: bool) -> list[ProductView]:
        """These products in the order of their ids, which no benchmark has a say in; customers see those on sale."""
        async with self._given.units.begin() as unit:
            products = await unit.catalogue.named(product_ids, on_sale_only=not staff)
            return [await self._view(unit, product, staff=staff) for product in products]

    async def document(self, document_id: str, *, staff: bool) -> Document:
        """A document's text; customers read what stood on an approved card."""
        async with self._given.units.begin() as unit:
            document = await unit.catalogue.document(document_id, approved_only=not staff)
        if document is None:
            raise NotFound("no_such_document", "there is no such document")
        return document

    async def _add_version(
        self, unit: Unit, product: Product, content: CardContent, known: tuple[CardDocument, ...]
    ) -> None:
        """Store the latest version; a document that did not change keeps its id."""
        now = self._given.now()
        await unit.catalogue.add_card(product.product_id, product.latest_version, content, product.maker_id, now)
        ids = {(document.title, document.sha256): document.document_id for document in known}
        for text in content.documents:
            if (text.title, text.sha256) not in ids:
                document = Document(self._given.new_id("dc"), text.title, text.text, text.sha256)
                await unit.catalogue.add_document(document, now)
                ids[text.title, text.sha256] = document.document_id
        chosen = [ids[text.title, text.sha256] for text in content.documents]
        await unit.catalogue.put_on_card(product.product_id, product.latest_version, chosen)

    async def _view(self, unit: Unit, product: Product, *, staff: bool) -> ProductView:
        version = product.latest_version if staff else product.approved_version
        assert version is not None, "customers are shown approved versions only"
        card = await _card(unit, product.product_id, version)
        quota = await unit.quotas.read(product.product_id)
        shown = self._given.shown_card(card, quota or Quota(card.content.quota_total_minor))
        if not staff:
            return ProductView(**msgspec.structs.asdict(shown), state=ProductState.APPROVED)
        return ProductView(
            **msgspec.structs.asdict(shown),
            state=product.state,
            approved_version=product.approved_version,
            maker_id=product.maker_id,
            issuer_rating=card.content.issuer_rating,
            seller_rating=card.content.seller_rating,
        )


def version_tag(product: ProductView) -> str:
    """Name what staff read of a product: its latest version and where that stands; the quota moves by itself."""
    return f"{product.card_version}.{product.state}"


def _require_seen(product: Product, seen: Collection[str] | None) -> None:
    if seen is not None and f"{product.latest_version}.{product.state}" not in seen:
        raise Conflict("version_stale", "somebody changed this product meanwhile: read it again")


async def _product(unit: Unit, product_id: str, lock: str = "") -> Product:
    product = await unit.catalogue.product(product_id, lock)
    if product is None:
        raise _no_such_product()
    return product


async def _card(unit: Unit, product_id: str, card_version: int) -> CardVersion:
    card = await unit.catalogue.card(product_id, card_version)
    assert card is not None, f"{product_id} has no version {card_version}"
    return card


async def _changed(unit: Unit, latest: CardVersion, changes: dict[str, Any]) -> CardContent:
    """The latest content with the changes; what is not a card field is refused by name."""
    texts = []
    for named in latest.documents:
        document = await unit.catalogue.document(named.document_id, approved_only=False)
        assert document is not None
        texts.append(DocumentText(document.title, document.text))
    before = msgspec.to_builtins(msgspec.structs.replace(latest.content, documents=tuple(texts)))
    try:
        return msgspec.convert({**before, **changes}, CardContent)
    except msgspec.ValidationError as error:
        raise Invalid("bad_field", str(error)) from None


def _no_such_product() -> NotFound:
    return NotFound("no_such_product", "there is no such product")
