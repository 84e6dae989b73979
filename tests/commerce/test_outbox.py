"""Facts reach their reader after commit, in order, at least once, and never for what did not happen."""

import asyncio

import asyncpg
import pytest

from commerce.facts import Fact
from commerce.money import Money
from commerce.outbox import FactNotTaken, OutboxRelay
from commerce.outbox_postgres import OutboxReader
from commerce.ports import FactUnreadable
from commerce.settings import CommerceSettings
from tests.commerce.bank import HOST, Bank


class Reader:
    """Takes facts, or refuses the next few."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.refuse = 0
        self.arrived = asyncio.Event()

    async def __call__(self, fact: Fact) -> None:
        if self.refuse:
            self.refuse -= 1
            raise ConnectionError("the room's broker is away")
        self.facts.append(fact)
        self.arrived.set()

    @property
    def kinds(self) -> list[str]:
        return [fact.kind for fact in self.facts]


@pytest.fixture
def reader() -> Reader:
    return Reader()


def relay_of(bank: Bank, reader: Reader) -> OutboxRelay:
    return OutboxRelay(OutboxReader(bank.pool, 2.0), reader)


async def test_a_sale_is_told_in_order_with_what_the_rooms_need(bank: Bank, reader: Reader) -> None:
    await bank.open_shop()
    order = await bank.accepted(amount_minor=120_000)
    await bank.service.stage.pull("bc_a", HOST, "done")
    assert await relay_of(bank, reader).relay_once() == 5
    assert reader.kinds == ["card_shown", "order", "quota", "order", "card_pulled"]
    shown, reserved, quota, accepted, pulled = reader.facts
    assert shown.payload["card"]["product_id"] == "pr_a"
    assert shown.payload["stream_time_ms"] == 65_000
    assert (reserved.account_id, reserved.payload["state"]) == ("ac_ann", "reserved")
    assert (quota.account_id, quota.payload["left_minor"]) == (None, 300_000_000 - 120_000)
    assert accepted.payload == {
        "order_id": order.order_id,
        "state": "accepted",
        "amount_minor": 120_000,
        "currency": "CNY",
        "product_id": "pr_a",
    }
    assert pulled.payload == {"product_id": "pr_a", "reason": "done"}
    assert [fact.fact_id for fact in reader.facts] == sorted({fact.fact_id for fact in reader.facts})
    assert len({fact.name for fact in reader.facts}) == 5
    assert await relay_of(bank, reader).relay_once() == 0


async def test_what_was_refused_is_not_told(bank: Bank, reader: Reader) -> None:
    await bank.open_shop(quota_total_minor=150_000)
    await relay_of(bank, reader).relay_once()
    with pytest.raises(Exception, match="quota_empty"):
        await bank.reserved(amount_minor=160_000)
    assert await relay_of(bank, reader).relay_once() == 0


async def test_a_quota_change_that_viewers_cannot_see_is_not_told(pool: asyncpg.Pool, reader: Reader) -> None:
    bank = Bank(pool, CommerceSettings(quota_granularity_minor=1_000_000))
    await bank.open_shop(quota_total_minor=2_500_000)
    await bank.reserved(amount_minor=200_000, key="k1")
    await bank.reserved(amount_minor=500_000, key="k2")
    await relay_of(bank, reader).relay_once()
    assert reader.kinds == ["card_shown", "order", "order", "quota"]
    assert reader.facts[0].payload["card"]["quota_left_minor"] == 2_000_000
    assert reader.facts[3].payload["left_minor"] == 1_000_000


async def test_quota_is_told_in_every_room_that_shows_the_card(bank: Bank, reader: Reader) -> None:
    await bank.open_shop()
    await bank.service.stage.feature("bc_b", "pr_a", HOST)
    await bank.reserved()
    await relay_of(bank, reader).relay_once()
    assert [fact.broadcast_id for fact in reader.facts if fact.kind == "quota"] == ["bc_a", "bc_b"]


async def test_a_changed_total_is_told_where_the_card_is_shown(bank: Bank, reader: Reader) -> None:
    await bank.open_shop()
    await relay_of(bank, reader).relay_once()
    await bank.service.products.set_quota("pr_a", Money(500_000_000, "CNY"))
    await bank.service.products.set_quota("pr_a", Money(500_000_000, "CNY"))
    assert await relay_of(bank, reader).relay_once() == 1
    assert reader.facts[-1].payload["total_minor"] == 500_000_000


async def test_a_fact_that_is_not_taken_comes_again_with_its_id_and_keeps_its_place(bank: Bank, reader: Reader) -> None:
    await bank.open_shop()
    await bank.reserved()
    relay = relay_of(bank, reader)
    reader.refuse = 1
    with pytest.raises(FactNotTaken):
        await relay.relay_once()
    assert reader.facts == []
    assert await relay.relay_once() == 3
    assert reader.kinds == ["card_shown", "order", "quota"]


async def test_a_fact_that_nobody_can_read_is_set_aside_and_holds_back_no_other(
    bank: Bank, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    await bank.open_shop()
    await bank.pool.execute(
        "INSERT INTO commerce_outbox (kind, broadcast_id, payload, at) VALUES"
        " ('of the next version', 'bc_a', '{}', now()), ('quota', 'bc_a', '[]', now())"
    )
    await bank.reserved()
    assert (await bank.service.outbox_depth()).waiting == 5

    async def no_tongue_for_orders(fact: Fact) -> None:
        if fact.kind == "order":
            raise FactUnreadable("no order event")
        await reader(fact)

    relay = OutboxRelay(OutboxReader(bank.pool, 2.0), no_tongue_for_orders)
    assert await relay.relay_once() == 2
    assert reader.kinds == ["card_shown", "quota"]
    kept = await bank.pool.fetch("SELECT fact_id, kind, set_aside_because FROM commerce_outbox ORDER BY fact_id")
    assert [row["kind"] for row in kept] == ["of the next version", "quota", "order"]
    assert all(row["set_aside_because"] for row in kept)
    logged = {(record.__dict__["fact_id"], record.__dict__["kind"]) for record in caplog.records}
    assert logged == {(row["fact_id"], row["kind"]) for row in kept}
    depth = await bank.service.outbox_depth()
    assert (depth.waiting, depth.oldest_age_s, depth.set_aside) == (0, 0.0, 3)
    # An operator hands one out again, to a version that can read it.
    await bank.pool.execute("UPDATE commerce_outbox SET set_aside_at = NULL WHERE kind = 'order'")
    assert await relay_of(bank, reader).relay_once() == 1
    assert reader.kinds[-1] == "order"


async def test_orders_of_one_group_reach_each_owner_and_come_again_from_the_one_that_was_not_taken(
    bank: Bank, reader: Reader
) -> None:
    await bank.open_shop()
    for n in range(5):
        await bank.add_customer(f"ac_{n}")
    made = [await bank.acknowledged(f"ac_{n}") for n in range(5)]
    relay = relay_of(bank, reader)
    await relay.relay_once()
    orders = await asyncio.gather(
        *(bank.service.sale.reserve(f"ac_{n}", made[n], 100_000 + 10_000 * n, "CNY", "k1") for n in range(5))
    )
    waiting = (await bank.service.outbox_depth()).waiting
    rows = await bank.pool.fetchval("SELECT count(*) FROM commerce_outbox")
    assert rows < waiting, "what went together is told by one row, and counted as what it tells"

    async def take_three(fact: Fact) -> None:
        if len(reader.facts) == 4:  # the card, and three more
            raise ConnectionError("the room's broker is away")
        await reader(fact)

    with pytest.raises(FactNotTaken):
        await OutboxRelay(OutboxReader(bank.pool, 2.0), take_three).relay_once()
    await relay.relay_once()
    assert (await bank.service.outbox_depth()).waiting == 0
    told = {fact.name: fact for fact in reader.facts if fact.kind == "order"}
    assert [(fact.account_id, fact.payload) for fact in told.values()] == [
        (
            f"ac_{n}",
            {"order_id": order.order_id, "state": "reserved", "amount_minor": 100_000 + 10_000 * n, "currency": "CNY",
             "product_id": "pr_a"},
        )
        for n, order in enumerate(orders)
    ]  # fmt: skip


async def test_facts_taken_before_a_crash_come_again(bank: Bank, reader: Reader) -> None:
    await bank.open_shop()

    async def crash() -> None:
        async with OutboxReader(bank.pool, 2.0).batch(10) as batch:
            batch.take(batch.facts[0])
            raise OSError("killed between taking and commit")

    with pytest.raises(OSError, match="killed"):
        await crash()
    assert await relay_of(bank, reader).relay_once() == 1


async def test_one_reader_at_a_time_so_that_the_order_holds(bank: Bank, reader: Reader) -> None:
    await bank.open_shop()
    async with OutboxReader(bank.pool, 2.0).batch(10) as held:
        assert len(held.facts) == 1
        assert await relay_of(bank, reader).relay_once() == 0
    assert await relay_of(bank, reader).relay_once() == 1


async def test_the_running_relay_is_woken_by_commits_and_survives_a_reader_that_fails(
    bank: Bank, reader: Reader
) -> None:
    relay = bank.service.relay(reader)
    reader.refuse = 1
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(relay.run())
        await bank.open_shop()
        await reader.arrived.wait()
        reader.arrived.clear()
        await bank.reserved()
        while reader.kinds != ["card_shown", "order", "quota"]:
            reader.arrived.clear()
            await reader.arrived.wait()
        running.cancel()


async def test_cancelling_the_relay_and_the_sweeper_ends_them(bank: Bank, reader: Reader) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(bank.service.relay(reader).run()),
            tasks.create_task(bank.service.sweep_forever(every_s=0.01)),
        ]
        await bank.open_shop()
        order = await bank.reserved()
        bank.clock.advance(seconds=240)
        while (await bank.service.sale.read("ac_ann", order.order_id)).state != "expired":
            reader.arrived.clear()
            await reader.arrived.wait()
        for task in running:
            task.cancel()
