"""Products: maker and checker, immutable versions, documents by their hash, what customers may see."""

import hashlib
from typing import Any

import asyncpg
import msgspec
import pytest

from commerce.errors import CommerceError
from commerce.product import PAST_PERFORMANCE_SENTENCE, RISK_SENTENCE, Benchmark, DocumentText
from tests.commerce.bank import NOW, Bank, content


async def refused(bank: Bank, name: str, actor_id: str) -> CommerceError:
    with pytest.raises(CommerceError) as caught:
        await bank.service.products.move("pr_a", name, actor_id)
    return caught.value


async def test_a_product_goes_through_review_by_somebody_else(bank: Bank) -> None:
    draft = await bank.service.products.create(content(), "ac_host", product_id="pr_a")
    assert draft.state == "draft"
    assert (await refused(bank, "submit", "ac_other")).code == "not_the_maker"
    assert (await refused(bank, "approve", "ac_checker")).extra["allowed"] == ["submit", "withdraw", "edit"]
    assert (await bank.service.products.move("pr_a", "submit", "ac_host")).state == "in_review"
    assert (await refused(bank, "approve", "ac_host")).code == "maker_is_checker"
    assert (await bank.service.products.move("pr_a", "reject", "ac_checker")).state == "rejected"
    with pytest.raises(CommerceError, match="no_such_product"):
        await bank.service.products.read("pr_a", staff=False)
    edited = await bank.service.products.edit("pr_a", {"name": "改名"}, "ac_host")
    assert (edited.state, edited.card_version, edited.name) == ("draft", 2, "改名")
    await bank.service.products.move("pr_a", "submit", "ac_host")
    assert (await bank.service.products.move("pr_a", "approve", "ac_checker")).approved_version == 2
    moves = await bank.pool.fetch("SELECT move, card_version, actor_id FROM product_history ORDER BY history_id")
    assert [row["move"] for row in moves] == ["create", "submit", "reject", "edit", "submit", "approve"]


async def test_customers_keep_the_approved_card_while_the_next_is_made(bank: Bank) -> None:
    await bank.approved()
    await bank.service.products.edit("pr_a", {"name": "改名"}, "ac_host")
    assert (await bank.service.products.read("pr_a", staff=False)).name == "稳健180天"
    staff = await bank.service.products.read("pr_a", staff=True)
    assert (staff.name, staff.state, staff.approved_version) == ("改名", "draft", 1)
    await bank.service.products.create(content(), "ac_host", product_id="pr_b")
    listed = bank.service.products.listing
    assert [p.product_id for p in await listed(staff=False, after="", limit=9)] == ["pr_a"]
    assert [p.product_id for p in await listed(staff=True, after="", limit=9)] == ["pr_a", "pr_b"]
    assert [p.product_id for p in await listed(staff=True, after="pr_a", limit=9)] == ["pr_b"]


async def test_the_card_reads_as_the_protocol_has_it(bank: Bank) -> None:
    await bank.approved(issuer_rating="R2", seller_rating="R3")
    card = await bank.service.products.read("pr_a", staff=False)
    assert card.risk_rating == "R3", "the higher of the two"
    assert card.suitable_levels == ("C3", "C4", "C5")
    assert card.standing_sentences == (RISK_SENTENCE, PAST_PERFORMANCE_SENTENCE)
    assert card.benchmark == Benchmark("2.10%–2.60%", "中债指数")
    assert card.quota_total_minor == card.quota_left_minor == 300_000_000
    assert "issuer_rating" not in msgspec.to_builtins(card)
    document = card.documents[0]
    assert document.sha256 == hashlib.sha256("风险揭示书全文".encode()).hexdigest()
    assert document.url == f"/api/v1/documents/{document.document_id}"


async def test_an_unchanged_document_keeps_its_id_across_versions(bank: Bank) -> None:
    first = await bank.service.products.create(content(), "ac_host", product_id="pr_a")
    documents = [{"title": "风险揭示书", "text": "风险揭示书全文"}, {"title": "产品说明书", "text": "新版"}]
    second = await bank.service.products.edit("pr_a", {"documents": documents}, "ac_host")
    assert second.documents[0] == first.documents[0]
    assert second.documents[1].document_id != first.documents[1].document_id


async def test_documents_of_unapproved_cards_are_for_staff(bank: Bank) -> None:
    draft = await bank.service.products.create(content(), "ac_host", product_id="pr_a")
    document_id = draft.documents[0].document_id
    read = bank.service.products.document
    assert (await read(document_id, staff=True)).text == "风险揭示书全文"
    with pytest.raises(CommerceError, match="no_such_document"):
        await read(document_id, staff=False)
    await bank.service.products.move("pr_a", "submit", "ac_host")
    await bank.service.products.move("pr_a", "approve", "ac_checker")
    await bank.service.products.move("pr_a", "withdraw", "ac_host")
    assert (await read(document_id, staff=False)).title == "风险揭示书", "a buyer can read it for ever"


BAD: list[dict[str, Any]] = [
    {"name": " "},
    {"minimum_minor": 0},
    {"increment_minor": -1},
    {"customer_maximum_minor": 99_999},
    {"quota_total_minor": 2**63},
    {"quota_total_minor": 99_999},
    {"currency": "RMB"},
    {"benchmark": None},
    {"nav": "1.0000"},
    {"benchmark": None, "nav": "1,0"},
    {"term_days": 0},
    {"publicly_offered": False},
    {"subscription_fee_bps": 1_001},
    {"window_closes_at": NOW.replace(year=2020)},
    {"window_closes_at": NOW.replace(tzinfo=None)},
    {"documents": ()},
    {"documents": (DocumentText("空", ""),)},
    {"disclosure_text": ""},
]


@pytest.mark.parametrize("changes", BAD)
async def test_a_card_that_says_too_little_or_nonsense_is_refused(bank: Bank, changes: dict[str, Any]) -> None:
    with pytest.raises(CommerceError, match="bad_product"):
        await bank.service.products.create(content(**changes), "ac_host")
    assert await bank.pool.fetchval("SELECT count(*) FROM products") == 0


@pytest.mark.parametrize("changes", [{"name": 5}, {"unknown": 1}, {"minimum_minor": 1.5}, {"issuer_rating": "R9"}])
async def test_an_edit_that_is_no_card_is_refused_by_field(bank: Bank, changes: dict[str, Any]) -> None:
    await bank.approved()
    with pytest.raises(CommerceError, match="bad_field"):
        await bank.service.products.edit("pr_a", changes, "ac_host")


async def test_a_character_that_cannot_be_stored_is_refused(bank: Bank) -> None:
    with pytest.raises(CommerceError, match="bad_text"):
        await bank.service.products.create(content(name="a\x00b"), "ac_host")
    with pytest.raises(CommerceError, match="bad_text"):
        await bank.service.products.create(content(benchmark=Benchmark("a\x00b", "b")), "ac_host")


@pytest.mark.parametrize("table", ["card_versions", "documents", "product_history"])
async def test_what_was_shown_cannot_be_changed(bank: Bank, table: str) -> None:
    await bank.approved()
    with pytest.raises(asyncpg.RestrictViolationError):
        await bank.pool.execute(f"DELETE FROM {table}")


async def test_approving_a_smaller_quota_than_is_taken_is_refused_whole(bank: Bank) -> None:
    await bank.open_shop()
    await bank.reserved(amount_minor=500_000)
    await bank.service.products.edit("pr_a", {"quota_total_minor": 400_000}, "ac_host")
    await bank.service.products.move("pr_a", "submit", "ac_host")
    assert (await refused(bank, "approve", "ac_checker")).code == "quota_below_taken"
    assert (await bank.service.products.read("pr_a", staff=True)).state == "in_review"
    assert await bank.service.stage.shown("bc_a") is not None
