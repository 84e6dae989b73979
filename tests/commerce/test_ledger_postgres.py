"""The ledger's sum rules are the database's own: no code can post half a transfer."""

import asyncpg
import pytest

from commerce import ledger
from commerce.ledger_postgres import Ledger, Overdrawn
from commerce.money import Money
from tests.commerce.bank import NOW


async def post(pool: asyncpg.Pool, transfer: ledger.Transfer) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        return await Ledger(connection).post(transfer, NOW)


async def balance(pool: asyncpg.Pool, kind: str) -> int:
    value: int = await pool.fetchval("SELECT balance FROM ledger_accounts WHERE kind = $1", kind)
    return value


async def test_a_transfer_moves_both_balances(pool: asyncpg.Pool) -> None:
    assert await post(pool, ledger.credit("t1", "ac_ann", Money(500, "CNY")))
    assert await post(pool, ledger.freeze("t2", "or_1", "ac_ann", Money(200, "CNY")))
    assert await post(pool, ledger.release("t3", "or_1", "ac_ann", Money(50, "CNY")))
    assert await balance(pool, "money_external") == -500
    assert await balance(pool, "money_available") == 350
    assert await balance(pool, "money_frozen") == 150


async def test_a_transfer_is_posted_once(pool: asyncpg.Pool) -> None:
    assert await post(pool, ledger.credit("t1", "ac_ann", Money(500, "CNY")))
    assert not await post(pool, ledger.credit("t1", "ac_ann", Money(500, "CNY")))
    assert await balance(pool, "money_available") == 500


async def test_more_than_the_account_holds_is_refused_whole(pool: asyncpg.Pool) -> None:
    await post(pool, ledger.credit("t1", "ac_ann", Money(500, "CNY")))
    with pytest.raises(Overdrawn):
        await post(pool, ledger.freeze("t2", "or_1", "ac_ann", Money(501, "CNY")))
    assert await balance(pool, "money_available") == 500
    assert await pool.fetchval("SELECT count(*) FROM ledger_transfers") == 1


@pytest.mark.parametrize(
    "second_entry",
    [
        "",
        "INSERT INTO ledger_entries (transfer_id, ledger_account_id, amount)"
        " VALUES ('t2', 'ac_ann:money_available:CNY', 5), ('t2', 'ac_ann:money_external:CNY', -4)",
        "INSERT INTO ledger_entries (transfer_id, ledger_account_id, amount)"
        " VALUES ('t1', 'ac_ann:money_available:CNY', 1)",
    ],
)
async def test_the_database_refuses_at_commit_what_does_not_sum_to_zero(pool: asyncpg.Pool, second_entry: str) -> None:
    await post(pool, ledger.credit("t1", "ac_ann", Money(500, "CNY")))

    async def unbalanced() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO ledger_transfers VALUES ('t2', 'credit', 'x', now())")
            if second_entry:
                await connection.execute(second_entry)

    with pytest.raises(asyncpg.CheckViolationError):
        await unbalanced()
    assert await balance(pool, "money_available") == 500


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount = amount",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_transfers SET kind = kind",
        "DELETE FROM ledger_transfers",
    ],
)
async def test_what_is_posted_stays(pool: asyncpg.Pool, statement: str) -> None:
    await post(pool, ledger.credit("t1", "ac_ann", Money(500, "CNY")))
    with pytest.raises(asyncpg.RestrictViolationError):
        await pool.execute(statement)
