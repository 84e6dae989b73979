"""Rotation leaves nothing under the old key, loses nothing, and takes up what was never sealed."""

import asyncpg
import pytest

from commerce.envelopes import EnvelopeError, Envelopes
from server.auth.accounts_postgres import AccountStore
from server.key_rotation import rotate_keys
from tests.commerce.bank import DATA_KEYS, ENVELOPES, Bank
from tests.server.people import ACCOUNTS, seed_people

NEW_KEYS = {"t2": "YW5vdGhlci1rZXktZm9yLXRlc3Rpbmctb25seS4uLi4="}
BOTH = Envelopes.of_base64({**NEW_KEYS, **DATA_KEYS})


async def written(pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    for n in range(5):
        await bank.add_customer(f"ac_{n}", money=0)
    await seed_people(pool)


async def test_names_and_birth_dates_are_not_stored_in_the_open(pool: asyncpg.Pool) -> None:
    await written(pool)
    for table in ("customers", "accounts"):
        for row in await pool.fetch(f"SELECT t::text AS whole FROM {table} t"):
            assert "王小梅" not in row["whole"]
            assert "*安" not in row["whole"]
            assert "1990-05-01" not in row["whole"]


async def test_after_rotation_the_old_key_is_not_needed_any_more(pool: asyncpg.Pool) -> None:
    await written(pool)
    done = await rotate_keys(pool, BOTH, batch=2)
    assert done["customers.personal"] == 5
    assert done["accounts.sealed_name"] == 2
    only_new = Envelopes.of_base64(NEW_KEYS)
    account = await AccountStore(pool, only_new).by_id("ac_viewer")
    assert account == ACCOUNTS["viewer"]
    with pytest.raises(EnvelopeError):
        await AccountStore(pool, ENVELOPES).by_id("ac_viewer")
    assert not any((await rotate_keys(pool, only_new)).values())


async def test_rows_that_an_earlier_version_wrote_in_the_open_are_read_and_then_sealed(pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    await pool.execute(
        "INSERT INTO customers (customer_id, masked_name, birth_date, updated_at)"
        " VALUES ('ac_old', '*旧', '1970-01-01', now())"
    )
    async with bank.service._units.begin() as unit:
        before = await unit.customers.read("ac_old")
    await rotate_keys(pool, ENVELOPES)
    async with bank.service._units.begin() as unit:
        assert await unit.customers.read("ac_old") == before
    row = await pool.fetchrow("SELECT * FROM customers WHERE customer_id = 'ac_old'")
    assert row["masked_name"] is None
    assert row["birth_date"] is None


async def test_a_key_that_is_missing_stops_the_rotation_and_loses_nothing(pool: asyncpg.Pool) -> None:
    await written(pool)
    with pytest.raises(EnvelopeError, match="t1"):
        await rotate_keys(pool, Envelopes.of_base64(NEW_KEYS))
    assert await AccountStore(pool, ENVELOPES).by_id("ac_viewer") == ACCOUNTS["viewer"]
