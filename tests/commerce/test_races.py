"""Many at once on a real database: the totals come out exactly."""

import asyncio
from collections import Counter

import pytest

from commerce.audit_postgres import audit
from commerce.errors import CommerceError, Unavailable
from commerce.receipt import OrderView
from tests.commerce.bank import HOST, Bank

BUYERS = 40


async def outcome(bank: Bank, customer_id: str, acknowledgement_id: str, amount_minor: int, key: str) -> str:
    try:
        await bank.service.sale.reserve(customer_id, acknowledgement_id, amount_minor, "CNY", key)
    except CommerceError as error:
        return error.code
    return "reserved"


async def buyers(bank: Bank, count: int) -> dict[str, str]:
    """Customers with their acknowledgements."""
    ids = [f"ac_b{n}" for n in range(count)]
    for customer_id in ids:
        await bank.add_customer(customer_id)
    return {customer_id: await bank.acknowledged(customer_id) for customer_id in ids}


async def test_a_rush_takes_the_quota_exactly_and_never_more(bank: Bank) -> None:
    await bank.open_shop(quota_total_minor=100_000 * 17 + 50_000)
    ready = await buyers(bank, BUYERS)
    results = await asyncio.gather(*(outcome(bank, who, ack, 100_000, "k") for who, ack in ready.items()))
    assert Counter(results) == {"reserved": 17, "quota_empty": BUYERS - 17}
    assert await bank.taken_minor() == 1_700_000
    assert await audit(bank.pool) == []


async def test_a_rush_of_mixed_amounts_leaves_less_than_the_smallest_refused(bank: Bank) -> None:
    total = 5_000_000
    await bank.open_shop(quota_total_minor=total)
    ready = await buyers(bank, BUYERS)
    amounts = [100_000 + 10_000 * (n * 7 % 23) for n in range(BUYERS)]
    results = await asyncio.gather(
        *(outcome(bank, who, ack, amounts[n], "k") for n, (who, ack) in enumerate(ready.items()))
    )
    taken = sum(amount for amount, result in zip(amounts, results, strict=True) if result == "reserved")
    refused = [amount for amount, result in zip(amounts, results, strict=True) if result == "quota_empty"]
    assert await bank.taken_minor() == taken <= total
    assert not refused or max(refused) > 0
    assert all(amount > total - taken for amount in refused), "what fitted in the end was taken"
    assert await audit(bank.pool) == []


async def test_one_customer_at_once_from_many_devices_never_passes_their_maximum(bank: Bank) -> None:
    await bank.open_shop(customer_maximum_minor=700_000)
    acknowledgement_id = await bank.acknowledged()
    results = await asyncio.gather(*(outcome(bank, "ac_ann", acknowledgement_id, 100_000, f"k{n}") for n in range(25)))
    assert Counter(results) == {"reserved": 7, "over_limit": 18}
    assert await bank.taken_minor() == 700_000
    assert await audit(bank.pool) == []


async def test_submit_cancel_and_the_sweeper_at_once_end_every_order_once(bank: Bank) -> None:
    await bank.open_shop()
    orders: list[OrderView] = [await bank.reserved(key=f"k{n}") for n in range(20)]
    bank.clock.advance(seconds=240)
    late = [await bank.reserved(key=f"late{n}") for n in range(10)]
    sale = bank.service.sale
    results = await asyncio.gather(
        *(sale.expire_due(bank.clock()) for _ in range(4)),
        *(sale.cancel("ac_ann", order.order_id, f"c{n}") for n, order in enumerate(orders[:10])),
        *(sale.submit("ac_ann", order.order_id, f"s{n}") for n, order in enumerate(late)),
        *(sale.cancel("ac_ann", order.order_id, f"d{n}") for n, order in enumerate(late)),
        return_exceptions=True,
    )
    assert all(not isinstance(r, BaseException) or isinstance(r, CommerceError) for r in results), results
    states = Counter([(await sale.read("ac_ann", order.order_id)).state for order in [*orders, *late]])
    assert states["reserved"] == states["submitted"] == 0
    assert await bank.taken_minor() == 100_000 * states["accepted"]
    assert await bank.available_minor() == 100_000_000 - 100_000 * states["accepted"]
    assert await audit(bank.pool) == []


@pytest.mark.parametrize("apart_s", [-600, 600])
async def test_two_servers_whose_clocks_differ_sell_once_and_keep_the_books(bank: Bank, apart_s: int) -> None:
    """Ten minutes are more than a reservation lives: to one server what the other reserved is over."""
    other = Bank(bank.pool)
    other.new_id = bank.new_id
    other.clock.advance(seconds=apart_s)
    other.use_core(None)
    await bank.open_shop()
    made = [await bank.acknowledged() for _ in range(6)]

    async def buy(n: int, here: Bank, there: Bank) -> str:
        order = await here.service.sale.reserve("ac_ann", made[n], 100_000, "CNY", f"r{n}")
        assert (await there.service.sale.reserve("ac_ann", made[n], 100_000, "CNY", f"r{n}")) == order
        try:
            return (await there.service.sale.submit("ac_ann", order.order_id, f"s{n}")).state
        except CommerceError as error:
            return error.code

    banks = (bank, other)
    ends = await asyncio.gather(
        *(buy(n, banks[n % 2], banks[1 - n % 2]) for n in range(6)),
        *(each.service.sale.expire_due(each.clock()) for each in banks),
    )
    assert set(ends[:6]) == {"accepted", "reservation_expired"}
    assert await audit(bank.pool) == []
    for each in banks:
        await each.service.sale.expire_due(each.clock())
    accepted = await bank.pool.fetchval("SELECT count(*) FROM orders WHERE state = 'accepted'")
    assert accepted == list(ends).count("accepted") > 0
    assert await bank.available_minor() == 100_000_000 - accepted * 100_000
    assert await audit(bank.pool) == []


async def test_an_order_is_before_a_pull_or_hears_of_it(bank: Bank) -> None:
    await bank.open_shop()
    ready = await buyers(bank, 20)
    tasks = [asyncio.create_task(outcome(bank, who, ack, 100_000, "k")) for who, ack in ready.items()]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await bank.service.stage.pull_all("bc_a", "pulled")
    reserved_at_pull = await bank.pool.fetchval("SELECT count(*) FROM orders")
    results = Counter(await asyncio.gather(*tasks))
    assert set(results) <= {"reserved", "card_pulled"}
    assert results["reserved"] == reserved_at_pull, "no order was taken after the pull had returned"


async def test_two_cards_featured_at_once_leave_one_on_stage(bank: Bank) -> None:
    for n in range(4):
        await bank.approved(f"pr_{n}")
    await asyncio.gather(*(bank.service.stage.feature("bc_a", f"pr_{n}", HOST) for n in range(4)))
    assert await bank.pool.fetchval("SELECT count(*) FROM showings WHERE pulled_at IS NULL") == 1
    assert await bank.pool.fetchval("SELECT count(*) FROM showings") == 4


async def test_tips_at_once_never_spend_a_point_twice(bank: Bank) -> None:
    await bank.add_customer()
    later = bank.clock.now.replace(year=2027)
    await bank.service.applause.grant("ac_ann", 100, reason="welcome", expires_at=later, grant_id="pg_1")

    async def tip(n: int) -> str:
        try:
            await bank.service.applause.tip("ac_ann", "bc_a", 9, nickname="安", key=f"t{n}")
        except CommerceError as error:
            return error.code
        return "tipped"

    results = await asyncio.gather(*(tip(n) for n in range(20)))
    assert Counter(results) == {"tipped": 11, "insufficient_points": 9}
    assert await bank.service.applause.balance("ac_ann") == 1
    assert await audit(bank.pool) == []


async def test_what_another_process_takes_meanwhile_is_waited_for_and_seen(bank: Bank) -> None:
    """A quota read without its lock would be decided on as it was, and the write stopped by the CHECK: no answer."""
    await bank.open_shop(quota_total_minor=1_000_000)
    acknowledgement_id = await bank.acknowledged()
    async with bank.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("UPDATE quotas SET taken_minor = 950_000 WHERE product_id = 'pr_a'")
        waiting = asyncio.create_task(outcome(bank, "ac_ann", acknowledgement_id, 100_000, "k"))
        for _ in range(600):
            if await bank.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                break
            await asyncio.sleep(0.005)
        await transaction.commit()
    heard = await waiting
    assert heard == "quota_empty"


async def test_two_processes_fight_over_the_same_customers_and_keys_and_answer_alike(bank: Bank) -> None:
    await bank.open_shop(quota_total_minor=2_050_000, customer_maximum_minor=300_000)
    ready = await buyers(bank, 10)
    elsewhere = Bank(bank.pool)
    elsewhere.clock, elsewhere.new_id = bank.clock, lambda prefix: f"{bank.new_id(prefix)}b"
    elsewhere.use_core(None)

    async def told(at: Bank, who: str, acknowledgement_id: str, key: str) -> str:
        for _ in range(200):
            try:
                return (await at.service.sale.reserve(who, acknowledgement_id, 100_000, "CNY", key)).order_id
            except Unavailable:
                await asyncio.sleep(0.01)
            except CommerceError as error:
                return error.code
        raise AssertionError("it never got through")

    asked = [(who, acknowledgement_id, f"k{n}") for who, acknowledgement_id in ready.items() for n in range(5)]
    try:
        first, second = await asyncio.gather(
            asyncio.gather(*(told(bank, *each) for each in asked)),
            asyncio.gather(*(told(elsewhere, *each) for each in reversed(asked))),
        )
    finally:
        await elsewhere.service.aclose()
    assert first == list(reversed(second)), "one key, one answer, from wherever"
    sold = Counter(who for (who, _, _), answer in zip(asked, first, strict=True) if answer.startswith("or_"))
    assert sum(sold.values()) == 20, "the quota is sold out, and no more"
    assert max(sold.values()) <= 3, "nobody passed their maximum"
    assert await bank.taken_minor() == 2_000_000
    assert await audit(bank.pool) == []
