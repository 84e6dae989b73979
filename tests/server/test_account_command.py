"""Accounts made by hand: who gets one can sign in, a changed password ends what was open, no password is ever told."""

import asyncio
import contextlib
import json
import os
import pty
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from chat.moderation_postgres import PostgresModeration
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import Restrictions
from commerce.customers_postgres import Customers
from commerce.records import ByHand
from server.accounts import cli
from server.auth.account_rules import AccountRefused, check_account, check_password
from server.auth.accounts_by_hand_postgres import AccountsByHand
from server.auth.accounts_postgres import Account, AccountStore
from server.auth.identities import CurrentIdentities, LocalIdentities
from server.auth.passwords import Passwords
from server.auth.session_ends_postgres import SessionEnds
from server.http import sessions
from server.http.application import build
from server.http.password_door import PasswordDoor
from tests.commerce.bank import DATA_KEYS, ENVELOPES
from tests.server.people import HASHER, LICENCE, TOKENS
from tests.server.test_operator_commands import ROOT

Client = TestClient[Any, Any]
PASSWORD, NEW_PASSWORD = "四 words-that nobody-guesses", "another-one-that-is-long"
HAND = ("--by", "何军", "--reason", "新同事")
HOST = ("--role", "host", "--name", "林晓", "--employee", "RM01", "--licence", "F301", "--licence-expires=2099-01-01")
CUSTOMER = ("--role=viewer", "--name", "王小梅", "--birth-date=1988-05-17", "--manager", "RM01", "--branch", "东支行")


async def command(*words: str, given: str = "") -> tuple[int, str, str]:
    """Run `account` with these words and this standard input; returns its exit code and what it printed."""
    done = await asyncio.to_thread(CliRunner().invoke, cli, words, given)
    return done.exit_code, done.stdout, done.stderr


class Site:
    """The sign-in of an api process, which takes restrictions in when told to."""

    def __init__(self, pool: asyncpg.Pool, client: Client, feed: RestrictionFeed) -> None:
        self.pool, self.client, self.feed = pool, client, feed
        self.sent_away = list[str]()
        feed.on_ban(self.sent_away.append)

    async def sign_in(self, login: str, password: str) -> tuple[int, Any]:
        async with self.client.post("/api/v1/sessions", json={"login": login, "password": password}) as response:
            return response.status, await response.json()

    async def ask(self, token: str, *, refresh: bool = False) -> tuple[int, Any]:
        method, path = ("POST", "/api/v1/sessions/refresh") if refresh else ("GET", "/api/v1/me")
        async with self.client.request(method, path, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status, await response.json()


@pytest.fixture
async def site(pool: asyncpg.Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("WEALTHCAST_DATA_KEYS", json.dumps(DATA_KEYS))
    monkeypatch.setattr("server.auth.passwords.PasswordHasher", lambda: HASHER)  # as good, and a hundred times quicker
    restrictions = Restrictions()
    passwords = Passwords(threads=1)
    routes = sessions.routes(AccountStore(pool, ENVELOPES), PasswordDoor(passwords), TOKENS, SessionEnds(pool))
    app = build(routes, CurrentIdentities(LocalIdentities(TOKENS), restrictions.sessions_from), ())
    async with TestClient(TestServer(app)) as client:
        yield Site(pool, client, RestrictionFeed(PostgresModeration(pool), restrictions))
    passwords.close()


async def acts(pool: asyncpg.Pool) -> list[tuple[str, ...]]:
    kept = "SELECT login, act, actor, reason FROM account_acts JOIN accounts USING (account_id) ORDER BY act_id"
    rows = await pool.fetch(kept)
    return [tuple(row) for row in rows]


async def test_a_host_made_by_the_command_signs_in_with_that_role_and_no_other_password(site: Site) -> None:
    words = ("add", "linxiao", *HOST, *HAND)
    code, printed, said = await command(*words, given=f"{PASSWORD}\n")
    assert (code, printed.split("\t")[0], said) == (0, "added", "")
    status, body = await site.sign_in("linxiao", PASSWORD)
    assert (status, body["account"]["role"], body["account"]["display_name"]) == (201, "host", "林晓")
    assert (await site.ask(body["token"]))[1]["account_id"] == printed.split()[1]
    assert (await site.sign_in("linxiao", f"{PASSWORD}."))[0] == 401
    found = await AccountStore(site.pool, ENVELOPES).by_login("linxiao")
    assert found is not None
    assert (found[0].employee_no, found[0].licence_no, found[0].licence_expires_on) == LICENCE
    assert await acts(site.pool) == [("linxiao", "add", *HAND[1::2])]


async def test_a_local_customer_signs_in_with_a_sealed_name_and_a_record_that_the_sale_reads(site: Site) -> None:
    words = ("add", "mei", *CUSTOMER, *HAND)
    code, printed, said = await command(*words, given=f"{PASSWORD}\r\n")
    assert (code, said) == (0, "")
    account_id = printed.split()[1]
    status, body = await site.sign_in("mei", PASSWORD)
    assert (status, body["account"]["role"], body["account"]["display_name"]) == (201, "viewer", "王小梅")
    assert body["account"]["nickname"] == f"客户{account_id[-4:]}"
    row = await site.pool.fetchrow("SELECT display_name, nickname FROM accounts")
    assert "王" not in "".join(row), "a customer's name is written in plain"
    async with site.pool.acquire() as connection:
        customer = await Customers(connection, ENVELOPES).read(account_id)
    assert customer is not None
    assert (customer.masked_name, customer.birth_date, customer.relationship_manager_id, customer.branch) == (
        "王**", date(1988, 5, 17), "RM01", "东支行",
    )  # fmt: skip


async def test_a_login_that_exists_is_left_as_it_is(site: Site) -> None:
    monitor = ("add", "zhou", "--role", "monitor", "--name", "周敏", *HAND)
    assert (await command(*monitor, given=PASSWORD))[0] == 0
    code, printed, said = await command(*monitor, given=NEW_PASSWORD)
    assert (code, printed, said) == (1, "", "wealthcast: there is an account of that login already\n")
    assert (await site.sign_in("zhou", PASSWORD))[0] == 201
    assert len(await acts(site.pool)) == 1


async def test_a_changed_password_ends_the_sessions_of_the_old_one_and_nobody_elses(site: Site) -> None:
    store = AccountStore(site.pool, ENVELOPES)
    for login in ("zhou", "he"):
        await store.put(Account(f"ac_{login}", login, "monitor", login, login), HASHER.hash(PASSWORD))
    old = [(await site.sign_in(login, PASSWORD))[1]["token"] for login in ("zhou", "he")]
    changing = asyncio.create_task(command("password", "zhou", *HAND, given=NEW_PASSWORD))
    while not site.sent_away:
        await site.feed.refresh()
        await asyncio.sleep(0.05)
    assert [(await site.ask(token))[0] for token in old] == [401, 200]
    code, printed, _ = await changing
    assert (code, printed.splitlines()[-1]) == (0, "changed"), printed
    assert [(await site.ask(token, refresh=True))[0] for token in old] == [401, 201]
    assert [(await site.sign_in("zhou", word))[0] for word in (PASSWORD, NEW_PASSWORD)] == [401, 201]
    new = (await site.sign_in("zhou", NEW_PASSWORD))[1]["token"]
    assert set(site.sent_away) == {"ac_zhou"}
    site.sent_away.clear()
    await site.feed.refresh()
    assert ((await site.ask(new))[0], site.sent_away) == (200, [])
    assert await acts(site.pool) == [("zhou", "password", *HAND[1::2])]


async def test_an_ended_session_does_not_live_on_by_being_refreshed_before_a_process_hears(site: Site) -> None:
    await AccountStore(site.pool, ENVELOPES).put(Account("ac_zhou", "zhou", "monitor", "周敏", "周敏"), "!x")
    now_s = int(time.time())
    token, _ = TOKENS.issue("ac_zhou", "monitor", "周敏", now_s=now_s - 60)
    hand = AccountsByHand(site.pool)
    ended = datetime.fromtimestamp(now_s - 30, UTC)
    assert await hand.change_password("zhou", "!y", ByHand("ops", "lost phone"), lambda: ended)
    status, body = await site.ask(token, refresh=True)
    assert status == 201, "this process has not heard yet"
    await site.feed.refresh()
    assert [(await site.ask(one))[0] for one in (token, body["token"])] == [401, 401]


async def test_a_customer_of_the_issuer_and_nobody_get_no_password(site: Site) -> None:
    await AccountStore(site.pool, ENVELOPES).put(Account("ac_b1", "ac_b1", "viewer", "王", "客户"), "!")
    for login in ("ac_b1", "nobody"):
        code, _, said = await command("password", login, *HAND, given=NEW_PASSWORD)
        assert (code, said) == (1, "wealthcast: there is no account of that login which has a password here\n")


async def test_the_list_names_those_who_sign_in_here_and_their_licences(site: Site) -> None:
    store = AccountStore(site.pool, ENVELOPES)
    await store.put(Account("ac_h", "lin", "host", "林晓", "林晓", *LICENCE), "!x")
    await store.put(Account("ac_v", "mei", "viewer", "王小梅", "小梅"), "!x")
    await store.put(Account("ac_b1", "ac_b1", "viewer", "王", "客户"), "!")
    await site.pool.execute("UPDATE accounts SET disabled = true WHERE login = 'mei'")
    code, printed, _ = await command("list")
    host = "lin\thost\t林晓\topen\tRM01\tF301\t2099-01-01\n"
    assert (code, printed) == (0, host + "mei\tviewer\t小梅\tclosed\t-\t-\t-\n")
    renewed = ("licence", "lin", "--number", "F302", "--expires", "2101-06-30", *HAND)
    assert (await command(*renewed))[0] == 0
    code, printed, _ = await command("list", "--role", "host")
    assert (code, printed) == (0, host.replace("F301\t2099-01-01", "F302\t2101-06-30"))


async def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(site: Site, postgres_url: str) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "server", "account", "add", "zhou", "--role", "monitor", "--name", "周敏", *HAND]
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": postgres_url, "LC_ALL": "C.UTF-8"}
    child = await asyncio.create_subprocess_exec(
        *argv, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)

    def type_it() -> bytes:
        shown, answered = b"", 0
        while True:
            with contextlib.suppress(OSError):  # Linux says so when nobody holds the other end any more
                if more := os.read(ours, 4_096):
                    shown += more
                    if shown.count(b": ") > answered:
                        answered += 1
                        os.write(ours, f"{PASSWORD}\n".encode())
                    continue
            return shown

    try:
        shown = (await asyncio.wait_for(asyncio.to_thread(type_it), 60)).decode()
        assert await asyncio.wait_for(child.wait(), 60) == 0, shown
    finally:
        if child.returncode is None:
            child.kill()
        os.close(ours)
    assert shown.startswith("New password of zhou: \r\nThe same again: \r\nadded\t")
    assert PASSWORD not in shown
    assert (await site.sign_in("zhou", PASSWORD))[0] == 201


async def test_what_cannot_be_is_refused_in_a_line_before_any_database_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
    monkeypatch.delenv("WEALTHCAST_DATA_KEYS", raising=False)
    monkeypatch.setattr("server.auth.passwords.PasswordHasher", lambda: HASHER)
    person = ("--name", "x")
    for words, given, says in (
        (("zhou", "--role", "god", *person), PASSWORD, "--role: one of viewer, host"),
        (("Zhou Min", "--role", "monitor", *person), PASSWORD, "LOGIN: 2 to 64"),
        (("zhou", "--role", "monitor", *person), "only-eleven", "11 characters: 12 are the least"),
        (("zhou", "--role", "monitor", *person), "", "0 characters"),
        (("zhou", "--role", "host", *person), PASSWORD, "a host needs --employee"),
        (("zhou", "--role", "viewer", *person), PASSWORD, "a customer needs --birth-date"),
        (("mei", *CUSTOMER), PASSWORD, "DATA_KEYS: at least one key is needed"),
        (("zhou", "--role", "monitor", *person), PASSWORD, "DATABASE_URL: cannot be used"),
    ):
        code, printed, said = await command("add", *words, *HAND, given=given)
        assert (code, printed, len(said.splitlines()), says in said) == (1, "", 1, True), said
        assert not given or given not in said


@pytest.mark.parametrize("login", ["", "a", "ac_b123", "-rf", "王小梅", "a b", "x" * 65, "a\n"])
def test_a_login_that_others_could_misread_is_refused(login: str) -> None:
    with pytest.raises(AccountRefused, match="LOGIN"):
        check_account(Account("ac_1", login, "monitor", "周敏", "周敏"))


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 20, "zhoumin" * 3, "abcdefghijk\ud800", "ab1" * 400])
def test_a_password_that_is_short_endless_or_nothing_but_the_login_is_refused_untold(password: str) -> None:
    with pytest.raises(AccountRefused) as refused:
        check_password(password, "zhoumin")
    assert not password or password not in str(refused.value)
