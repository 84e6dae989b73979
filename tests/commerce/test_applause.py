"""Applause points: granted, tipped, capped, expired, and always adding up."""

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce import ledger
from commerce.audit_postgres import audit
from commerce.errors import CommerceError, Refusal
from commerce.points import Grant, balance, use_up
from tests.commerce.bank import HOST, NOW, Bank

grants_of = st.lists(
    st.builds(
        Grant,
        st.uuids().map(str),
        st.integers(1, 100),
        st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days)),
    ),
    max_size=8,
)


@given(grants_of, st.integers(1, 400))
def test_points_are_used_exactly_soonest_to_expire_first_and_never_expired_ones(
    grants: list[Grant], wanted: int
) -> None:
    held = balance(grants, NOW)
    if wanted > held:
        with pytest.raises(Refusal, match="insufficient_points"):
            use_up(grants, wanted, NOW)
        return
    uses = dict(use_up(grants, wanted, NOW))
    assert sum(uses.values()) == wanted
    by_id = {grant.grant_id: grant for grant in grants}
    assert all(0 < used <= by_id[grant_id].left_points for grant_id, used in uses.items())
    assert all(by_id[grant_id].expires_at > NOW for grant_id in uses)
    last = max(by_id[grant_id].expires_at for grant_id in uses)
    untouched = [g for g in grants if g.expires_at > NOW and g.grant_id not in uses]
    assert all(grant.expires_at >= last for grant in untouched)


async def granted(bank: Bank, points: int = 2_000, grant_id: str = "pg_1", days: int = 30) -> None:
    await bank.service.applause.grant(
        "ac_ann", points, reason="welcome", expires_at=NOW + timedelta(days=days), grant_id=grant_id
    )


async def refusal(bank: Bank, points: object, key: str = "t9") -> str:
    with pytest.raises(CommerceError) as caught:
        await bank.service.applause.tip("ac_ann", "bc_a", points, nickname="安", key=key)
    return caught.value.code


async def test_a_tip_is_durable_counted_and_listed(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank)
    done = await bank.service.applause.tip("ac_ann", "bc_a", 30, nickname="安", key="t1")
    assert (done.points, done.balance, done.stream_time_ms) == (30, 1_970, 65_000)
    view = await bank.service.applause.read("ac_ann")
    assert (view.balance, view.daily_cap, view.tipped_today) == (1_970, 1_000, 30)
    assert [(entry.kind, entry.points) for entry in view.entries] == [("tip", -30), ("grant", 2_000)]


async def test_a_grant_is_given_once(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank)
    await granted(bank)
    assert await bank.service.applause.balance("ac_ann") == 2_000


async def test_each_refusal_of_a_tip(bank: Bank) -> None:
    await bank.open_shop()
    await granted(bank)
    assert await refusal(bank, 10, "t1") == "tips_off"
    await bank.service.stage.pull("bc_a", HOST, "done")
    assert await refusal(bank, 0) == "bad_amount"
    assert await refusal(bank, 1.0) == "bad_amount"
    assert await refusal(bank, 1_001, "t2") == "daily_cap"
    bank.broadcasts.change("bc_a", state="ended")
    assert await refusal(bank, 10, "t3") == "not_live"
    bank.broadcasts.change("bc_a", state="live")
    await bank.add_customer(money=0, birth_date=date(2012, 1, 1))
    assert await refusal(bank, 10, "t4") == "minor"
    with pytest.raises(CommerceError, match="minor"):
        await bank.service.applause.tip("ac_unknown", "bc_a", 1, nickname="?", key="t5")
    with pytest.raises(CommerceError, match="no_such_broadcast"):
        await bank.service.applause.tip("ac_ann", "bc_none", 1, nickname="安", key="t6")


async def test_the_daily_cap_begins_again_at_the_banks_midnight(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank)
    await bank.service.applause.tip("ac_ann", "bc_a", 1_000, nickname="安", key="t1")
    bank.clock.now = NOW.replace(hour=15, minute=59)
    assert await refusal(bank, 1, "t2") == "daily_cap"
    bank.clock.now = NOW.replace(hour=16, minute=0)
    await bank.service.applause.tip("ac_ann", "bc_a", 1_000, nickname="安", key="t3")
    bank.clock.advance(days=1)
    assert await refusal(bank, 1, "t4") == "insufficient_points"


async def test_expired_points_are_no_balance_and_are_swept_once(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank, 100, "pg_1", days=1)
    await granted(bank, 50, "pg_2", days=9)
    await bank.service.applause.tip("ac_ann", "bc_a", 30, nickname="安", key="t1")
    bank.clock.advance(days=1)
    assert await bank.service.applause.balance("ac_ann") == 50
    assert await refusal(bank, 51) == "insufficient_points"
    assert await bank.service.applause.expire_due(bank.clock()) == 1
    assert await bank.service.applause.expire_due(bank.clock()) == 0
    kinds = dict(await bank.pool.fetch("SELECT kind, balance FROM ledger_accounts WHERE unit = 'POINTS'"))
    assert kinds == {"points_granted": -150, "points_held": 50, "points_spent": 30, "points_expired": 70}
    assert await audit(bank.pool) == []


async def test_of_two_tips_at_once_with_points_for_one_exactly_one_is_given(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank, 10)
    tip = bank.service.applause.tip
    done = await asyncio.gather(
        *(tip("ac_ann", "bc_a", 10, nickname="安", key=key) for key in ("t1", "t2")), return_exceptions=True
    )
    given = [one for one in done if not isinstance(one, BaseException)]
    assert [one.balance for one in given] == [0]
    (refused,) = [one for one in done if isinstance(one, BaseException)]
    assert isinstance(refused, Refusal)
    assert refused.code == "insufficient_points"
    assert await bank.service.applause.balance("ac_ann") == 0
    assert await audit(bank.pool) == []


async def blocked(pool: asyncpg.Pool) -> None:
    """Wait until somebody waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await pool.fetchval(waiting):  # noqa: ASYNC110 - another connection is at work
        await asyncio.sleep(0.005)


async def test_a_tip_that_meets_the_expiry_of_its_points_is_refused_and_not_an_error(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank, 10, days=1)
    async with asyncio.timeout(30):
        async with bank.service._units.begin() as unit:  # the sweeper of a process whose clock is ahead
            due = await unit.points.lock_expired(NOW + timedelta(days=1), ())
            assert due is not None
            await unit.points.use([(due[1].grant_id, 10)])
            await unit.ledger.post(ledger.expire_points("tr_1", due[1].grant_id, "ac_ann", 10), NOW)
            tip = asyncio.create_task(refusal(bank, 10))
            await blocked(bank.pool)
        assert await tip == "insufficient_points"
    assert await audit(bank.pool) == []


async def test_a_grant_that_the_ledger_does_not_take_keeps_no_other_from_expiring(bank: Bank) -> None:
    await bank.add_customer()
    await bank.add_customer("ac_bob")
    await granted(bank, 10, days=1)
    applause, expires_at = bank.service.applause, NOW + timedelta(days=2)
    await applause.grant("ac_bob", 7, reason="welcome", expires_at=expires_at, grant_id="pg_b")
    await bank.pool.execute("UPDATE ledger_accounts SET balance = 3 WHERE owner_id = 'ac_ann' AND kind = 'points_held'")
    bank.clock.advance(days=3)
    for _ in range(2):
        await applause.expire_due(bank.clock())
    left = await bank.pool.fetch("SELECT grant_id, left_points FROM point_grants ORDER BY 1")
    assert [tuple(row) for row in left] == [("pg_1", 10), ("pg_b", 0)]


async def test_reading_and_tipping_do_not_wait_for_each_other_in_a_circle(bank: Bank) -> None:
    """A tip holds its customer, then the stage; a reading holds the stage, then looks up its customer."""
    await bank.open_shop()
    async with asyncio.timeout(30), bank.service._units.begin() as tip:
        await tip.customers.read("ac_ann", "FOR NO KEY UPDATE")
        assert await bank.acknowledged()


async def test_a_refund_gives_back_the_same_points_once_and_frees_the_days_cap(bank: Bank) -> None:
    await bank.add_customer()
    applause, later = bank.service.applause, NOW + timedelta(days=300)
    await applause.grant("ac_ann", 600, reason="welcome", expires_at=NOW + timedelta(hours=1), grant_id="pg_1")
    await applause.grant("ac_ann", 900, reason="welcome", expires_at=later, grant_id="pg_2")
    tip = await applause.tip("ac_ann", "bc_a", 800, nickname="安", key="t1")
    results = await asyncio.gather(
        *(applause.refund(tip.tip_id, "bc_a", "ac_monitor", "an accident") for _ in range(4))
    )
    assert {result.points for result in results} == {800}
    assert await applause.balance("ac_ann") == 1_500
    assert (await applause.read("ac_ann")).tipped_today == 0
    left = await bank.pool.fetch("SELECT left_points FROM point_grants ORDER BY grant_id")
    assert [row["left_points"] for row in left] == [600, 900]
    assert await audit(bank.pool) == []


async def test_what_expired_before_its_refund_expires_again(bank: Bank) -> None:
    await bank.add_customer()
    applause = bank.service.applause
    await applause.grant("ac_ann", 100, reason="welcome", expires_at=NOW + timedelta(hours=1), grant_id="pg_1")
    tip = await applause.tip("ac_ann", "bc_a", 40, nickname="安", key="t1")
    bank.clock.advance(hours=2)
    await applause.refund(tip.tip_id, "bc_a", "ac_monitor", "an accident")
    assert await applause.balance("ac_ann") == 0
    assert await applause.expire_due(bank.clock()) == 1
    assert await audit(bank.pool) == []


async def test_a_tip_of_another_broadcast_is_not_refunded(bank: Bank) -> None:
    await bank.add_customer()
    applause = bank.service.applause
    await applause.grant("ac_ann", 100, reason="welcome", expires_at=NOW + timedelta(hours=1), grant_id="pg_1")
    tip = await applause.tip("ac_ann", "bc_a", 40, nickname="安", key="t1")
    for broadcast_id, tip_id in (("bc_b", tip.tip_id), ("bc_a", "tp_none")):
        with pytest.raises(CommerceError, match="no_such_tip"):
            await applause.refund(tip_id, broadcast_id, "ac_monitor", "no")


async def test_balances_of_many_are_read_at_once_and_are_those_of_each(bank: Bank) -> None:
    await bank.add_customer()
    await granted(bank, 70)
    await granted(bank, 30, "pg_2")
    await granted(bank, 500, "pg_old", days=-1)
    assert await bank.service.applause.balances(["ac_ann", "ac_nobody"]) == {"ac_ann": 100, "ac_nobody": 0}
    assert await bank.service.applause.balances([]) == {}
