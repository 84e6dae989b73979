"""Cards on stage: who may show them, what pulls them, and what is kept of each showing."""

import asyncio
from typing import Any

import pytest

from commerce.errors import CommerceError
from commerce.ports import Actor
from tests.commerce.bank import GONE, HOST, MONITOR, ON_AIR, Bank


async def pulled(bank: Bank) -> list[tuple[str, str | None]]:
    rows = await bank.pool.fetch("SELECT product_id, pull_reason FROM showings ORDER BY showing_id")
    return [tuple(row) for row in rows]


async def test_a_showing_is_kept_with_both_clocks_and_the_disclosure(bank: Bank) -> None:
    await bank.approved()
    await bank.service.stage.feature("bc_a", "pr_a", HOST)
    bank.broadcasts.change("bc_a", stream_time_ms=90_000)
    bank.clock.advance(seconds=25)
    await bank.service.stage.pull("bc_a", HOST, "host")
    row = await bank.pool.fetchrow("SELECT * FROM showings")
    assert (row["shown_by"], row["stream_time_ms"], row["card_version"]) == ("ac_host", 65_000, 1)
    assert (row["pulled_by"], row["pull_reason"], row["pulled_stream_time_ms"]) == ("ac_host", "host", 90_000)
    assert (row["pulled_at"] - row["shown_at"]).total_seconds() == 25
    card = await bank.service.products.read("pr_a", staff=True)
    assert row["disclosure_sha256"]
    assert card.disclosure_text


async def test_what_is_shown_is_the_card_with_its_quota(bank: Bank) -> None:
    assert await bank.service.stage.shown("bc_a") is None
    await bank.open_shop()
    await bank.reserved(amount_minor=120_000)
    shown = await bank.service.stage.shown("bc_a")
    assert shown
    assert shown["card"]["quota_left_minor"] == 300_000_000 - 120_000
    assert shown["stream_time_ms"] == 65_000
    assert shown["shown_at_ms"] == round(bank.clock().timestamp() * 1000)


async def test_featuring_again_changes_nothing_and_another_replaces(bank: Bank) -> None:
    await bank.approved("pr_a")
    await bank.approved("pr_b")
    for product_id in ("pr_a", "pr_a", "pr_b"):
        await bank.service.stage.feature("bc_a", product_id, HOST)
    assert await pulled(bank) == [("pr_a", "replaced"), ("pr_b", None)]


REFUSED: list[tuple[dict[str, object], Actor, str]] = [
    ({}, Actor("ac_other", "host"), "not_your_broadcast"),
    ({"state": "scheduled"}, HOST, "not_live"),
    ({"state": "ended"}, HOST, "not_live"),
    ({"monitor_absent": True}, HOST, "monitor_absent"),
    ({"recording_unavailable": True}, HOST, "recording_unavailable"),
]


@pytest.mark.parametrize(("changes", "actor", "code"), REFUSED)
async def test_when_a_card_may_not_be_featured(bank: Bank, changes: dict[str, object], actor: Actor, code: str) -> None:
    await bank.approved()
    bank.broadcasts.change("bc_a", **changes)
    with pytest.raises(CommerceError, match=code):
        await bank.service.stage.feature("bc_a", "pr_a", actor)
    assert await pulled(bank) == []


async def test_host_and_monitor_pull_others_do_not(bank: Bank) -> None:
    await bank.approved()
    for actor in (HOST, MONITOR):
        await bank.service.stage.feature("bc_a", "pr_a", HOST)
        with pytest.raises(CommerceError, match="not_your_broadcast"):
            await bank.service.stage.pull("bc_a", Actor("ac_other", "host"), "no")
        await bank.service.stage.pull("bc_a", actor, "reason")
        with pytest.raises(CommerceError, match="no_card"):
            await bank.service.stage.pull("bc_a", actor, "reason")
    with pytest.raises(CommerceError, match="no_such_broadcast"):
        await bank.service.stage.pull("bc_none", HOST, "reason")


async def test_a_withdrawn_product_leaves_every_stage_at_once(bank: Bank) -> None:
    await bank.approved()
    await bank.approved("pr_b")
    bank.broadcasts.known["bc_c"] = ON_AIR
    for broadcast_id in ("bc_a", "bc_b"):
        await bank.service.stage.feature(broadcast_id, "pr_a", HOST)
    await bank.service.stage.feature("bc_c", "pr_b", HOST)
    await bank.service.products.move("pr_a", "withdraw", "ac_checker")
    assert await bank.service.stage.shown("bc_a") is None
    assert await bank.service.stage.shown("bc_b") is None
    assert await bank.service.stage.shown("bc_c") is not None
    with pytest.raises(CommerceError, match="product_not_approved"):
        await bank.service.stage.feature("bc_a", "pr_a", HOST)


async def test_a_newer_card_version_pulls_the_older_from_the_stage(bank: Bank) -> None:
    await bank.open_shop()
    await bank.service.products.edit("pr_a", {"name": "改名"}, "ac_host")
    await bank.service.products.move("pr_a", "submit", "ac_host")
    shown = await bank.service.stage.shown("bc_a")
    assert shown
    assert shown["card"]["name"] == "稳健180天"
    await bank.service.products.move("pr_a", "approve", "ac_checker")
    assert await bank.service.stage.shown("bc_a") is None
    assert await pulled(bank) == [("pr_a", "new_version")]


@pytest.mark.parametrize(
    ("change", "pulls"),
    [
        ({"issuer_rating": "R3"}, True),
        ({"seller_rating": "R5"}, True),
        ({"seller_rating": "R2"}, False),  # the issuer had said so before
        ({"issuer_rating": "R1", "seller_rating": "R1"}, False),  # less risky: when a checker says so
    ],
)
async def test_a_product_that_is_found_riskier_is_off_sale_from_the_edit_on(
    bank: Bank, change: dict[str, object], pulls: bool
) -> None:
    await bank.open_shop()
    order = await bank.reserved()
    await bank.service.products.edit("pr_a", change, "ac_host")
    assert await pulled(bank) == [("pr_a", "re_rated" if pulls else None)]
    submit = bank.service.sale.submit("ac_ann", order.order_id, "k2")
    if not pulls:
        assert (await submit).state == "accepted"
        return
    with pytest.raises(CommerceError, match="card_pulled"):
        await submit
    with pytest.raises(CommerceError, match="product_not_approved"):
        await bank.service.stage.feature("bc_a", "pr_a", HOST)
    await bank.service.products.edit("pr_a", {"issuer_rating": "R2", "seller_rating": "R1"}, "ac_host")
    assert (await bank.service.products.read("pr_a", staff=True)).approved_version is None
    await bank.service.products.move("pr_a", "submit", "ac_host")
    await bank.service.products.move("pr_a", "approve", "ac_checker")
    await bank.service.stage.feature("bc_a", "pr_a", HOST)


async def test_only_what_is_on_the_shelf_is_featured(bank: Bank) -> None:
    await bank.approved()
    bank.broadcasts.change("bc_a", shelf=frozenset({"pr_b"}))
    with pytest.raises(CommerceError, match="not_on_shelf"):
        await bank.service.stage.feature("bc_a", "pr_a", HOST)
    assert await pulled(bank) == []


async def told(bank: Bank) -> list[tuple[str, Any]]:
    """The pulls that rooms are told of, with their reasons."""
    sql = "SELECT broadcast_id, payload FROM commerce_outbox WHERE kind = 'card_pulled' ORDER BY fact_id"
    rows = await bank.pool.fetch(sql)
    return [(row["broadcast_id"], row["payload"]) for row in rows]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"monitor_absent": True}, "monitor_absent"),
        ({"recording_unavailable": True}, "recording_unavailable"),
        ({"state": "terminated"}, "terminated"),
    ],
)
async def test_a_card_that_nobody_watches_or_records_comes_down_once_and_no_other(
    bank: Bank, change: dict[str, object], reason: str
) -> None:
    await bank.open_shop()
    await bank.service.stage.feature("bc_b", "pr_a", HOST)
    await bank.service.stage.pull_unsupervised()
    assert await pulled(bank) == [("pr_a", None), ("pr_a", None)]
    bank.broadcasts.change("bc_a", stream_time_ms=90_000, **change)
    other = Bank(bank.pool)  # another process, which knows only what the stores say
    other.broadcasts = bank.broadcasts
    other.use_core(None)
    await asyncio.gather(*(one.service.stage.pull_unsupervised() for one in (bank, other, bank)))
    assert await pulled(bank) == [("pr_a", reason), ("pr_a", None)]
    assert [broadcast_id for broadcast_id, _ in await told(bank)] == ["bc_a"]
    assert reason in str((await told(bank))[0][1])
    row = await bank.pool.fetchrow("SELECT * FROM showings WHERE broadcast_id = 'bc_a'")
    assert (row["pulled_by"], row["pulled_stream_time_ms"]) == ("system", 90_000)


async def test_the_host_shows_the_card_again_when_the_monitor_is_back(bank: Bank) -> None:
    await bank.open_shop()
    bank.broadcasts.change("bc_a", monitor_absent=True)
    assert await bank.service.stage.stopped("bc_a") is None
    await bank.service.stage.pull_unsupervised()
    assert await bank.service.stage.stopped("bc_a") == "monitor_absent"
    with pytest.raises(CommerceError, match="monitor_absent"):
        await bank.service.stage.feature("bc_a", "pr_a", HOST)
    bank.broadcasts.change("bc_a", monitor_absent=False)
    await bank.service.stage.feature("bc_a", "pr_a", HOST)
    await bank.service.stage.pull_unsupervised()
    assert await pulled(bank) == [("pr_a", "monitor_absent"), ("pr_a", None)]
    assert await bank.service.stage.stopped("bc_a") is None
    bank.clock.advance(seconds=1)
    await bank.service.stage.pull("bc_a", HOST, "enough said")
    assert await bank.service.stage.stopped("bc_a") is None


async def test_a_card_left_on_the_stage_of_no_broadcast_comes_down(bank: Bank) -> None:
    await bank.open_shop()
    bank.broadcasts.known["bc_a"] = GONE
    await bank.service.stage.pull_unsupervised()
    assert await pulled(bank) == [("pr_a", "no_such_broadcast")]


async def test_while_a_broadcast_cannot_be_read_its_card_stays(bank: Bank) -> None:
    await bank.open_shop()
    bank.broadcasts.failing = True
    with pytest.raises(CommerceError, match="busy"):
        await bank.service.stage.pull_unsupervised()
    assert await pulled(bank) == [("pr_a", None)]
