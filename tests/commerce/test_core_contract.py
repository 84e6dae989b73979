"""What every core keeps, whoever wrote it; an adapter of a bank's own is held to the same by adding it to `CORES`."""

import asyncpg
import pytest

from commerce.audit_postgres import audit
from commerce.core import CoreBanking, Hold, HoldState
from commerce.core_ledger import LedgerCore
from commerce.errors import CommerceError
from commerce.money import Money
from commerce.settings import CommerceSettings
from commerce.uow_postgres import Units
from server.core_adapter import AdapterUnusable, load_core
from tests.commerce.bank import ENVELOPES, Bank
from tests.commerce.memory_core import MemoryCore

CORES = ["embedded", "tests.commerce.memory_core:connect"]
HELD = Hold("cr_1", "ac_ann", Money(600_000, "CNY"))
TOO_MUCH = Hold("cr_2", "ac_ann", Money(600_000, "CNY"))
SMALL = Hold("cr_3", "ac_ann", Money(50_000, "CNY"))


@pytest.fixture(params=CORES)
async def core(request: pytest.FixtureRequest, bank: Bank) -> CoreBanking:
    """A core at which ac_ann has 10,000.00."""
    await bank.add_customer(money=1_000_000)
    ours = LedgerCore(Units(bank.pool, CommerceSettings(), ENVELOPES), bank.clock, bank.new_id)
    return load_core(request.param) or ours


async def test_each_call_has_its_effect_once_and_a_repeat_answers_what_holds(core: CoreBanking) -> None:
    assert await core.query("cr_1") is HoldState.NOT_KNOWN
    assert [await core.freeze(HELD) for _ in range(2)] == [HoldState.FROZEN] * 2
    assert await core.available_minor("ac_ann", "CNY") == 400_000
    assert [await core.debit(HELD) for _ in range(2)] == [HoldState.DEBITED] * 2
    assert await core.available_minor("ac_ann", "CNY") == 400_000
    assert [await core.query("cr_1"), await core.freeze(HELD)] == [HoldState.DEBITED] * 2
    assert await core.release(HELD) is HoldState.DEBITED, "what was debited is not given back"


async def test_who_has_too_little_is_refused_for_good_and_loses_nothing(core: CoreBanking) -> None:
    await core.freeze(HELD)
    assert [await core.freeze(TOO_MUCH) for _ in range(2)] == [HoldState.REFUSED] * 2
    await core.release(HELD)
    assert await core.freeze(TOO_MUCH) is HoldState.REFUSED, "the reference has its answer, whatever came since"
    assert await core.debit(TOO_MUCH) is HoldState.REFUSED
    assert await core.available_minor("ac_ann", "CNY") == 1_000_000


async def test_what_is_released_comes_back_once(core: CoreBanking) -> None:
    await core.freeze(HELD)
    assert [await core.release(HELD) for _ in range(2)] == [HoldState.RELEASED] * 2
    assert await core.available_minor("ac_ann", "CNY") == 1_000_000
    assert [await core.debit(HELD), await core.freeze(HELD)] == [HoldState.RELEASED] * 2


async def test_a_release_before_the_freeze_is_a_tombstone(core: CoreBanking) -> None:
    assert [await core.release(SMALL) for _ in range(2)] == [HoldState.VOID] * 2
    assert [await core.freeze(SMALL), await core.debit(SMALL), await core.query("cr_3")] == [HoldState.VOID] * 3
    assert await core.available_minor("ac_ann", "CNY") == 1_000_000


async def test_a_sale_goes_through_a_core_that_is_not_ours(pool: asyncpg.Pool) -> None:
    bank, core = Bank(pool), MemoryCore({("ac_ann", "CNY"): 350_000})
    bank.use_core(core)
    await bank.open_shop()
    assert await bank.available_minor() == 350_000, "the gate shows what the core says, not what our ledger holds"
    first = await bank.accepted(amount_minor=200_000, key="k1")
    second = await bank.accepted(amount_minor=100_000, key="k2")
    with pytest.raises(CommerceError, match="insufficient_funds"):
        await bank.accepted(amount_minor=100_000, key="k3")
    await bank.service.sale.cancel("ac_ann", second.order_id, "k4")
    assert await bank.available_minor() == 150_000
    bank.clock.advance(days=1)
    (line,) = await bank.service.confirmation.run()
    assert (line.confirmed, line.confirmed_minor) == (1, 200_000)
    assert (await bank.service.sale.read("ac_ann", first.order_id)).state == "confirmed"
    assert core.debited["ac_ann", "CNY"] == 200_000
    assert await audit(pool, embedded_core=False) == []


async def test_a_core_that_says_nothing_of_the_money_leaves_the_gate_open(pool: asyncpg.Pool) -> None:
    class Silent(MemoryCore):
        async def available_minor(self, customer_id: str, currency: str) -> int | None:
            raise ConnectionRefusedError

    bank = Bank(pool)
    bank.use_core(Silent())
    await bank.open_shop()
    gate = await bank.service.gate.check("bc_a", "pr_a", "ac_ann")
    assert (gate.allowed, gate.customer.available_minor) == (True, None)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_package.at_all:connect", "is not there (ModuleNotFoundError)"),
        ("tests.commerce.memory_core:disconnect", "is not there (AttributeError)"),
        ("tests.commerce.memory_core:broken", "cannot be made: RuntimeError"),
        ("tests.commerce.memory_core:nothing_that_freezes", "has freeze, debit, release, query, available_minor"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused_by_name_and_without_its_secrets(named: str, said: str) -> None:
    with pytest.raises(AdapterUnusable, match=named) as refused:
        load_core(named)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
