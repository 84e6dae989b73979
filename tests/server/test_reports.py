"""A show's report: distinct customers by step, amounts, who looks after them; JSON, CSV, and for whom."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from chat.attendance import Totals
from chat.figures_postgres import PostgresFigures
from chat.stays import Stay, Stays
from commerce.funnel import KnownSteps
from server.reports.funnel import ShowReport
from server.reports.funnel_postgres import ShowReports
from server.reports.report_csv import funnel_csv, managers_csv, safe_cell
from tests.commerce.bank import NOW
from tests.server.shop import Shop, open_shop

NOBODY = Totals(0, 0, 0, 0)
TITLE = '=HYPERLINK("http://evil")'


@pytest.fixture
async def shop(pool: asyncpg.Pool) -> AsyncIterator[Shop]:
    async with open_shop(pool) as opened:
        yield opened


async def report(pool: asyncpg.Pool) -> ShowReport:
    return await ShowReports(pool).read("bc_a", TITLE)


async def keep_stays(pool: asyncpg.Pool, *stays: Stay) -> None:
    await PostgresFigures(pool).keep("bc_a", "gw/1", NOBODY, {one.account_id for one in stays}, stays, 0, NOW)


async def looked_after(pool: asyncpg.Pool, customer_id: str, manager: str, branch: str) -> None:
    await pool.execute(
        "UPDATE customers SET relationship_manager_id = $2, branch = $3 WHERE customer_id = $1",
        customer_id, manager, branch,
    )  # fmt: skip


async def sell(shop: Shop, who: str, amount_minor: int) -> None:
    status, order = await shop.reserve(who, f"r-{who}", amount_minor=amount_minor)
    assert status == 201, order
    path = f"/orders/{order['order_id']}/submit"
    status, order = await shop.call("POST", path, who, {}, Idempotency_Key=f"s-{who}")
    assert (status, order["state"]) == (200, "accepted")


async def test_every_step_counts_a_customer_once_and_who_went_further_in_each(shop: Shop, pool: asyncpg.Pool) -> None:
    await shop.opened()
    early, minute = NOW - timedelta(minutes=10), timedelta(minutes=1)
    await keep_stays(
        pool,
        Stay("ac_gone", early, NOW - minute),  # left before the card came
        Stay("ac_saw", early, NOW + minute),
        Stay("ac_saw", NOW + 2 * minute, None),  # and came back
        Stay("ac_viewer", early, None),
    )
    await looked_after(pool, "ac_viewer", "RM0042", "上海分行")
    gate = "/broadcasts/bc_a/gate?product_id=pr_a"
    for _ in range(3):
        assert (await shop.call("GET", gate, "viewer"))[1]["allowed"]
    await sell(shop, "viewer", 200_000)
    await sell(shop, "other_viewer", 300_000)  # who never opened the gate nor was seen in the room
    found = await report(pool)
    (one,) = found.products
    counts = one.customers
    assert (counts.view, counts.card, counts.detail, counts.gate) == (4, 3, 2, 2)
    assert (counts.acknowledge, counts.reserve, counts.submit, counts.confirm) == (2, 2, 2, 0)
    assert (one.submitted_minor, one.confirmed_minor, one.mismatches_blocked) == (500_000, 0, 0)
    managers = {(line.relationship_manager_id, line.branch): line for line in found.relationship_managers}
    assert managers["RM0042", "上海分行"].submitted_minor == 200_000
    assert managers[None, None].customers == 1
    assert "ac_viewer" not in repr(found)


async def test_a_relationship_manager_is_named_by_their_account_or_employee_number(
    shop: Shop, pool: asyncpg.Pool
) -> None:
    await shop.opened()
    await pool.execute("UPDATE accounts SET employee_no = 'RM0042' WHERE account_id = 'ac_host2'")
    await pool.execute("UPDATE accounts SET employee_no = 'RM0042' WHERE account_id = 'ac_viewer2'")  # is no staff
    await looked_after(pool, "ac_viewer", "RM0042", "上海分行")
    await looked_after(pool, "ac_viewer2", "ac_host", "上海分行")
    await looked_after(pool, "ac_ann", "RM-elsewhere", "上海分行")
    await sell(shop, "viewer", 300_000)
    await sell(shop, "other_viewer", 200_000)
    await shop.bank.accepted(amount_minor=100_000)
    found = await report(pool)
    named = [(line.relationship_manager_id, line.relationship_manager_name) for line in found.relationship_managers]
    assert named == [("RM0042", "陈屿"), ("ac_host", "林晓"), ("RM-elsewhere", None)]
    rows = read_back(managers_csv(found))
    assert [row[1:3] for row in rows[1:]] == [["陈屿", "RM0042"], ["林晓", "ac_host"], ["RM-elsewhere", "RM-elsewhere"]]


async def test_confirmed_stands_beside_submitted(shop: Shop, pool: asyncpg.Pool) -> None:
    await shop.opened()
    await sell(shop, "viewer", 200_000)
    await sell(shop, "other_viewer", 300_000)
    await pool.execute(
        "UPDATE orders SET state = 'confirmed', confirmed_on = '2026-11-24', confirmed_amount_minor = amount_minor"
        " WHERE customer_id = 'ac_viewer'"
    )
    (one,) = (await report(pool)).products
    assert (one.customers.submit, one.customers.confirm) == (2, 1)
    assert (one.submitted_minor, one.confirmed_minor) == (500_000, 200_000)


async def test_a_mismatch_is_counted_wherever_it_is_blocked(shop: Shop, pool: asyncpg.Pool) -> None:
    await shop.opened(issuer_rating="R5")  # which the customers' C3 does not reach
    gate = "/broadcasts/bc_a/gate?product_id=pr_a"
    for _ in range(2):
        assert not (await shop.call("GET", gate, "viewer"))[1]["allowed"]
    assert (await shop.acknowledged("other_viewer"))[1]["code"] == "risk_mismatch"
    (one,) = (await report(pool)).products
    assert (one.mismatches_blocked, one.customers.detail, one.customers.gate) == (2, 2, 0)


async def test_a_mismatch_that_came_after_the_reading_is_counted_at_the_reservation(
    shop: Shop, pool: asyncpg.Pool
) -> None:
    await shop.opened()
    read = (await shop.acknowledged())[1]["acknowledgement_id"]
    await pool.execute("UPDATE customers SET risk_tolerance = 1 WHERE customer_id = 'ac_viewer'")
    body = {"acknowledgement_id": read, "amount_minor": 200_000, "currency": "CNY"}
    for key in ("k1", "k1", "k2"):
        assert (await shop.call("POST", "/orders", "viewer", body, Idempotency_Key=key))[1]["code"] == "risk_mismatch"
    (one,) = (await report(pool)).products
    assert (one.mismatches_blocked, one.customers.acknowledge, one.customers.reserve) == (1, 1, 0)


async def test_a_mismatch_that_came_after_the_reservation_is_counted_at_the_submission(
    shop: Shop, pool: asyncpg.Pool
) -> None:
    await shop.opened()
    order = (await shop.reserve())[1]
    await pool.execute("UPDATE customers SET risk_tolerance = 1 WHERE customer_id = 'ac_viewer'")
    for _ in range(2):
        refused = await shop.call("POST", f"/orders/{order['order_id']}/submit", "viewer", Idempotency_Key="s")
        assert refused[1]["code"] == "risk_mismatch"
    (one,) = (await report(pool)).products
    assert (one.mismatches_blocked, one.customers.reserve, one.customers.submit) == (1, 1, 0)


async def test_nobody_is_seen_in_a_show_that_is_not_theirs(shop: Shop, pool: asyncpg.Pool) -> None:
    await shop.opened()
    await sell(shop, "viewer", 200_000)
    other = await ShowReports(pool).read("bc_b", "另一场")
    assert (other.products, other.relationship_managers) == ([], [])


def test_a_step_that_is_kept_is_not_written_again_before_it_is_forgotten() -> None:
    known = KnownSteps()
    assert known.new("bc", "pr", "ac", ["detail", "gate"]) == ["detail", "gate"]
    known.keep("bc", "pr", "ac", ["detail"])
    assert known.new("bc", "pr", "ac", ["detail", "gate"]) == ["gate"]
    assert known.new("bc", "pr", "other", ["detail"]) == ["detail"]


def test_stays_that_could_not_be_handed_over_know_the_newest() -> None:
    stays = Stays()
    stays.enter(1, "ac_a", NOW)
    taken = stays.take()
    stays.leave(1, NOW + timedelta(seconds=5))
    stays.leave(1, NOW + timedelta(seconds=9))
    stays.give_back(taken)
    assert stays.take() == [Stay("ac_a", NOW, NOW + timedelta(seconds=5))]
    assert stays.empty


def read_back(body: bytes) -> list[list[str]]:
    assert body.startswith("﻿".encode())
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


async def test_the_tables_open_right_in_a_spreadsheet(shop: Shop, pool: asyncpg.Pool) -> None:
    await shop.opened(name='@稳健,"180"天')
    await sell(shop, "viewer", 210_000)
    await looked_after(pool, "ac_viewer", "-1+1", "＝分行")
    found = await report(pool)
    head, row = read_back(funnel_csv(found))
    assert head[:3] == ["直播场次", "产品编号", "产品名称"]
    assert len(head) == len(row)
    assert row[0] == f"'{TITLE}"
    assert row[2] == '\'@稳健,"180"天'
    assert row[-3:] == ["CNY", "2100.00", "0.00"]
    found = replace_manager(found, "-1+1", "＝分行")
    _, line = read_back(managers_csv(found))
    assert line[1:4] == ["'-1+1", "'-1+1", "'＝分行"]
    assert line[-2] == "2100.00"


def replace_manager(found: ShowReport, manager: str, branch: str) -> ShowReport:
    """As a record that holds such things would read."""
    lines = [
        msgspec.structs.replace(line, relationship_manager_id=manager, branch=branch)
        for line in found.relationship_managers
    ]
    return msgspec.structs.replace(found, relationship_managers=lines)


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "＝1"])
def test_a_formula_is_a_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["稳健", "a=b", "2.1%-2.6%", ""])
def test_a_text_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text
