"""People for HTTP tests: accounts in a real database and sessions that name them."""

import time
from datetime import date

import asyncpg
from argon2 import PasswordHasher

from server.auth.accounts_postgres import Account, AccountStore
from server.auth.tokens import Tokens
from tests.commerce.bank import ENVELOPES

TOKENS = Tokens("test-secret-" + "x" * 32, ttl_s=600)
HASHER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
LICENCE = ("RM01", "F301", date(2099, 1, 1))
ACCOUNTS = {
    "host": Account("ac_host", "host", "host", "林晓", "林晓", *LICENCE),
    "other_host": Account("ac_host2", "host2", "host", "陈屿", "陈屿", *LICENCE),
    "monitor": Account("ac_monitor", "monitor", "monitor", "周敏", "周敏"),
    "checker": Account("ac_checker", "checker", "checker", "何军", "何军"),
    "viewer": Account("ac_viewer", "viewer", "viewer", "王小梅", "小梅"),
    "other_viewer": Account("ac_viewer2", "viewer2", "viewer", "李博", "博哥"),
    "guest": Account("ac_guest", "guest", "guest", "许衡", "许衡"),
    "operator": Account("ac_operator", "operator", "operator", "运维", "运维"),
}


async def seed_people(pool: asyncpg.Pool) -> None:
    """Put everybody into the database; each one's password is their login."""
    store = AccountStore(pool, ENVELOPES)
    for account in ACCOUNTS.values():
        await store.put(account, HASHER.hash(account.login))


def session(name: str, *, broadcast_id: str | None = None, now_s: int | None = None) -> dict[str, str]:
    """The headers of a signed-in person."""
    who = ACCOUNTS[name]
    at = int(time.time()) if now_s is None else now_s
    token, _ = TOKENS.issue(who.account_id, who.role, who.nickname, now_s=at, broadcast_id=broadcast_id)
    return {"Authorization": f"Bearer {token}"}
