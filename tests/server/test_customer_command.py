"""What staff give to a customer by hand: once, on record with who and why, and to nobody who is no customer."""

from collections.abc import Awaitable
from typing import Any

import asyncpg
import pytest
import typer

from commerce.errors import NotFound
from commerce.money import Money
from commerce.records import ByHand
from server.app import Parts
from server.auth.issuer import account_of
from server.customers import carry_out
from server.settings import load_settings
from tests.commerce.bank import DATA_KEYS, Bank
from tests.server.issuer_server import ISSUER
from tests.server.people import seed_people
from tests.server.test_operator_commands import command
from tests.server.test_settings import GOOD

HAND = ByHand("何军", "开业活动")
BY = ("--by", HAND.actor, "--reason", HAND.reason)


@pytest.fixture
def bank(pool: asyncpg.Pool) -> Bank:
    return Bank(pool)


async def acts(bank: Bank) -> list[tuple[str, str, str]]:
    rows = await bank.pool.fetch("SELECT act, actor, reason FROM customer_acts ORDER BY act")
    return [tuple(row) for row in rows]


async def test_the_command_grants_points(bank: Bank, postgres_url: str, redis_url: str) -> None:
    await seed_people(bank.pool)
    await bank.add_customer("ac_viewer", money=0)
    words = ("customer", "points", "viewer", "--points", "300", "--expires", "2099-06-30", *BY)
    code, printed, said = await command(postgres_url, redis_url, DATA_KEYS, *words)
    assert (code, printed.strip()) == (0, "done"), said
    assert await bank.service.applause.balance("ac_viewer") == 300
    assert await acts(bank) == [("points", *BY[1::2])]


async def test_a_customer_is_found_by_login_or_by_their_number_at_the_issuer(
    bank: Bank, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed_people(bank.pool)
    settings = {"issuer": ISSUER, "issuer_audience": "a", "issuer_jwks_url": "https://login.bank.example/jwks.json"}
    for name, value in {**GOOD, "DATABASE_URL": postgres_url, "REDIS_URL": redis_url}.items():
        monkeypatch.setenv(name, value)
    found: list[str] = []

    async def act(parts: Parts, customer_id: str) -> bool:
        found.append(customer_id)
        return True

    given = load_settings(**settings)
    assert await carry_out(given, "viewer", False, act)
    assert await carry_out(given, "62001234", True, act)
    assert found == ["ac_viewer", account_of(ISSUER, "62001234")]
    with pytest.raises(typer.Exit):
        await carry_out(given, "nobody", False, act)
    with pytest.raises(typer.Exit):
        await carry_out(load_settings(), "62001234", True, act)


async def test_points_means_and_money_are_given_once_and_on_record(bank: Bank) -> None:
    await bank.open_shop()
    service, later = bank.service, bank.clock.now.replace(year=2027)
    for first in (True, False):
        given = (
            await service.customers.credit("ac_ann", Money(7, "CNY"), transfer_id="tr_1", by_hand=HAND),
            await service.applause.grant(
                "ac_ann", 30, reason=HAND.reason, expires_at=later, grant_id="gr_1", by_hand=HAND
            ),
        )
        assert given == (first, first)
    await service.customers.declare_means("ac_ann", Money(250_000, "CNY"), HAND)
    assert (await bank.available_minor(), await service.applause.balance("ac_ann")) == (100_000_007, 30)
    with pytest.raises(Exception, match="unaffordable"):
        await bank.reserved(amount_minor=260_000)
    await bank.reserved(amount_minor=250_000, key="k2")  # level and date are as they were
    assert await acts(bank) == [(act, HAND.actor, HAND.reason) for act in ("credit", "means", "points")]
    with pytest.raises(asyncpg.RestrictViolationError):
        await bank.pool.execute("UPDATE customer_acts SET actor = 'nobody'")


async def test_nobody_is_given_anything_who_is_no_customer(bank: Bank) -> None:
    service, one = bank.service, Money(1, "CNY")
    attempts: list[Awaitable[Any]] = [
        service.customers.credit("ac_none", one, transfer_id="tr_1", by_hand=HAND),
        service.customers.declare_means("ac_none", one, HAND),
        service.applause.grant("ac_none", 1, reason="x", expires_at=bank.clock(), grant_id="gr_1", by_hand=HAND),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound, match="no_such_customer"):
            await attempt
    assert await bank.pool.fetchval("SELECT count(*) FROM ledger_entries") == 0
