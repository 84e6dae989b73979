"""`./run confirm` and `./run rotate-keys` as an operator runs them: processes, exit codes, what they print."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg

from commerce.envelopes import Envelopes
from server.auth.accounts_postgres import AccountStore
from tests.commerce.bank import DATA_KEYS, NOW, Bank
from tests.server.people import ACCOUNTS, seed_people

ROOT = Path(__file__).resolve().parents[2]
NEW_KEYS = {"t2": "YW5vdGhlci1rZXktZm9yLXRlc3Rpbmctb25seS4uLi4="}
NEXT_DAY = (NOW + timedelta(days=1)).date().isoformat()


async def command(postgres_url: str, redis_url: str, keys: dict[str, str], *words: str) -> tuple[int, str, str]:
    """Run one command of the program; returns its exit code and what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": postgres_url,
        "REDIS_URL": redis_url,
        "WEALTHCAST_JWT_SECRET": "a-test-secret-that-is-long-enough-for-hs256",
        "WEALTHCAST_DATA_KEYS": json.dumps(keys),
        "MEDIA_ADVERTISED_IP": "127.0.0.1",
    }
    argv = [sys.executable, "-m", "server", *words]
    done = await asyncio.to_thread(
        subprocess.run, argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


async def test_confirm_settles_what_is_due_once_and_reports_by_product_and_show(
    pool: asyncpg.Pool, postgres_url: str, redis_url: str
) -> None:
    bank = Bank(pool)
    await bank.open_shop()
    order = await bank.accepted(amount_minor=200_000)
    confirm = ("confirm", "--date", NEXT_DAY)
    code, printed, said = await command(postgres_url, redis_url, DATA_KEYS, *confirm, "--json")
    assert code == 0, said
    (line,) = json.loads(printed)
    assert (line["product_id"], line["broadcast_id"]) == ("pr_a", "bc_a")
    assert (line["confirmed"], line["confirmed_minor"], line["failed"], line["unanswered"]) == (1, 200_000, 0, 0)
    assert (await bank.service.sale.read("ac_ann", order.order_id)).state == "confirmed"
    code, _, said = await command(postgres_url, redis_url, DATA_KEYS, *confirm)
    assert code == 0, said
    debits = await pool.fetchval("SELECT count(*) FROM order_history WHERE to_state = 'confirmed'")
    assert debits == 1, "run again, nothing is doubled"


async def test_confirm_refuses_a_date_that_is_none(postgres_url: str, redis_url: str) -> None:
    code, printed, said = await command(postgres_url, redis_url, DATA_KEYS, "confirm", "--date", "tomorrow")
    assert (code, printed, len(said.splitlines())) == (1, "", 1)
    assert "tomorrow" in said


async def test_after_rotate_keys_the_old_key_can_go(pool: asyncpg.Pool, postgres_url: str, redis_url: str) -> None:
    await Bank(pool).add_customer(money=0)
    await seed_people(pool)
    code, _, said = await command(postgres_url, redis_url, NEW_KEYS, "rotate-keys")
    assert (code, "t1" in said) == (1, True), "the key that sealed the rows is not there"
    code, printed, said = await command(postgres_url, redis_url, {**NEW_KEYS, **DATA_KEYS}, "rotate-keys")
    assert code == 0, said
    assert printed
    only_new = Envelopes.of_base64(NEW_KEYS)
    assert await AccountStore(pool, only_new).by_id("ac_viewer") == ACCOUNTS["viewer"]
    code, again, said = await command(postgres_url, redis_url, NEW_KEYS, "rotate-keys")
    assert code == 0, said
    assert all("\t0 " in line for line in again.splitlines()), again
