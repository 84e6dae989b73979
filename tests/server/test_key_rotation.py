"""Rotation leaves nothing under the old key, loses nothing, and takes up what was never sealed."""

import json

import asyncpg
import pytest

from commerce.customers_postgres import customer_of
from commerce.envelopes import EnvelopeError, Envelopes
from commerce.idempotency import body_hash
from commerce.money import Money
from server.auth.accounts_postgres import AccountStore
from server.key_rotation import rotate_keys
from tests.commerce.bank import DATA_KEYS, ENVELOPES, Bank
from tests.commerce.test_questionnaire import BOLD, SHIPPED
from tests.server.people import ACCOUNTS, seed_people

NEW_KEYS = {"t2": "YW5vdGhlci1rZXktZm9yLXRlc3Rpbmctb25seS4uLi4="}
MEANS = Money(87_654_321, "CNY")
BOTH = Envelopes.of_base64({**NEW_KEYS, **DATA_KEYS})


async def written(pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    for n in range(5):
        await bank.add_customer(f"ac_{n}", money=0, declared_means=MEANS)
    await bank.service.assessments.take("ac_0", SHIPPED.version, BOLD, "a1")
    await seed_people(pool)


async def means_of(pool: asyncpg.Pool, envelopes: Envelopes, customer_id: str) -> Money | None:
    row = await pool.fetchrow("SELECT * FROM customers WHERE customer_id = $1", customer_id)
    return customer_of(row, envelopes).declared_means


async def answers_of(pool: asyncpg.Pool, envelopes: Envelopes) -> object:
    row = await pool.fetchrow("SELECT * FROM assessments")
    assert row["answers"] == "{}"
    return json.loads(envelopes.open(row["sealed_answers"], f"assessments.sealed_answers {row['assessment_id']}"))


async def test_names_birth_dates_means_and_answers_are_not_stored_in_the_open(pool: asyncpg.Pool) -> None:
    await written(pool)
    for table in ("customers", "accounts", "assessments"):
        for row in await pool.fetch(f"SELECT t::text AS whole FROM {table} t"):
            assert "王小梅" not in row["whole"]
            assert "*安" not in row["whole"]
            assert "1990-05-01" not in row["whole"]
            assert "87654321" not in row["whole"]
            assert '"loss"' not in row["whole"].replace("\\", "")
    assert await means_of(pool, ENVELOPES, "ac_0") == MEANS
    assert await answers_of(pool, ENVELOPES) == BOLD
    guessed = body_hash(SHIPPED.version, sorted(BOLD.items()))
    assert await pool.fetchval("SELECT count(*) FROM idempotency_keys WHERE body_sha256 = $1", guessed) == 0


async def test_after_rotation_the_old_key_is_not_needed_any_more(pool: asyncpg.Pool) -> None:
    await written(pool)
    done = await rotate_keys(pool, BOTH, batch=2)
    assert done["customers.personal"] == 5
    assert done["accounts.sealed_name"] == 2
    assert done["assessments.sealed_answers"] == 1
    only_new = Envelopes.of_base64(NEW_KEYS)
    assert await means_of(pool, only_new, "ac_4") == MEANS
    assert await answers_of(pool, only_new) == BOLD
    account = await AccountStore(pool, only_new).by_id("ac_viewer")
    assert account == ACCOUNTS["viewer"]
    nameless = await AccountStore(pool, ENVELOPES).by_id("ac_viewer")
    assert nameless is not None
    assert nameless.display_name == account.nickname, "whose name does not open may sign in all the same"
    assert not any((await rotate_keys(pool, only_new)).values())


async def test_rows_that_an_earlier_version_wrote_in_the_open_are_read_and_then_sealed(pool: asyncpg.Pool) -> None:
    bank = Bank(pool)
    await pool.execute(
        "INSERT INTO customers (customer_id, masked_name, birth_date, updated_at)"
        " VALUES ('ac_old', '*旧', '1970-01-01', now())"
    )
    await bank.add_customer("ac_half")  # its person is sealed, what it declared is not
    await pool.execute("UPDATE customers SET declared_means_minor = 87654321, means_currency = 'CNY'")
    await pool.execute(
        "INSERT INTO assessments (assessment_id, customer_id, business_date, questionnaire_version, answers, points,"
        " risk_tolerance, assessed_at, confirmed_at)"
        " VALUES ('as_old', 'ac_half', now(), '1', '{\"loss\":\"a\"}', 9, 3, now(), now())"
    )
    async with bank.service._units.begin() as unit:
        before = await unit.customers.read("ac_old")
    await rotate_keys(pool, ENVELOPES)
    assert await answers_of(pool, ENVELOPES) == {"loss": "a"}
    assert await means_of(pool, ENVELOPES, "ac_half") == MEANS
    assert not any((await rotate_keys(pool, ENVELOPES)).values())
    async with bank.service._units.begin() as unit:
        assert await unit.customers.read("ac_old") == before
    row = await pool.fetchrow("SELECT * FROM customers WHERE customer_id = 'ac_old'")
    assert row["masked_name"] is None
    assert row["birth_date"] is None
    assert await pool.fetchval("SELECT count(*) FROM customers WHERE declared_means_minor IS NOT NULL") == 0


async def test_answers_cannot_be_changed_or_taken_away_but_for_sealing_them(pool: asyncpg.Pool) -> None:
    await written(pool)
    for statement in (
        "UPDATE assessments SET answers = '{\"loss\":\"b\"}'", "UPDATE assessments SET sealed_answers = NULL",
        "UPDATE assessments SET points = 0", "DELETE FROM assessments", "TRUNCATE assessments CASCADE",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RestrictViolationError):
            await pool.execute(statement)


async def test_a_key_that_is_missing_stops_the_rotation_and_loses_nothing(pool: asyncpg.Pool) -> None:
    await written(pool)
    with pytest.raises(EnvelopeError, match="t1"):
        await rotate_keys(pool, Envelopes.of_base64(NEW_KEYS))
    assert await AccountStore(pool, ENVELOPES).by_id("ac_viewer") == ACCOUNTS["viewer"]
