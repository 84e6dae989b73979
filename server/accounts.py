"""`./run account`: make, list, close and reopen accounts of DATABASE_URL or of a demo. For the command line."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import asyncpg
import typer

from commerce.envelopes import Envelopes
from commerce.records import ByHand
from server.auth.account_closing_postgres import AccountClosing
from server.auth.account_rules import check_account, check_role, check_text
from server.auth.accounts_by_hand_postgres import AccountsByHand, CustomerData, ListedAccount
from server.auth.accounts_postgres import Account
from server.auth.passwords import Passwords
from server.demo.places import DemoError, default_data_dir, demo_data_key, demo_database
from server.embedded.process import EmbeddedError
from server.ids import new_id
from server.settings import PREFIX
from server.typed_password import typed_password

cli = typer.Typer(no_args_is_help=True, help="Accounts of staff and local customers; who did what and why is kept.")
By = Annotated[str, typer.Option(help="who does it; kept in the record")]
Reason = Annotated[str, typer.Option(help="why; kept in the record")]
DataDir = Annotated[Path | None, typer.Option(help="a demo's folder, rather than DATABASE_URL")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
Result = TypeVar("Result")


@cli.command()
def add(
    login: str, by: By, reason: Reason,
    role: Annotated[str, typer.Option(help="viewer, host, guest, monitor, checker or operator")],
    name: Annotated[str, typer.Option(help="the person's; staff are shown by it, customers are not")],
    employee: Annotated[str | None, typer.Option(help="employee number; a host needs one")] = None,
    licence: Annotated[str | None, typer.Option(help="number of the licence, of hosts and guests")] = None,
    licence_expires: Day = None,
    nickname: Annotated[str | None, typer.Option(help="what a customer is called in rooms")] = None,
    birth_date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="a customer's; needed")] = None,
    branch: Annotated[str | None, typer.Option(help="a customer's")] = None,
    manager: Annotated[str | None, typer.Option(help="employee number of a customer's relationship manager")] = None,
    data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Make an account; its password is asked for, or is a line of standard input."""
    account_id = new_id("ac")
    shown = nickname or (f"客户{account_id[-4:]}" if role == "viewer" else name)
    account = Account(account_id, login, role, name, shown, employee, licence, _day(licence_expires))
    customer = _customer(role, birth_date, manager, branch)
    with _refusals():
        check_account(account)
        hand = _by_hand(by, reason)
    with _database(data_dir) as (url, keys):
        with _refusals("DATA_KEYS: "):
            sealed = None if customer is None else (customer, Envelopes.of_base64(keys()))
        password_hash = _hash_of_typed(login)
        if not _carry_out(url, lambda pool: AccountsByHand(pool).add(account, password_hash, hand, _now(), sealed)):
            _fail("there is an account of that login already")
    typer.echo(f"added\t{account_id}")


@cli.command()
def password(login: str, by: By, reason: Reason, data_dir: DataDir = None) -> None:
    """Replace the password; whoever is signed in with the old one is out of everything within two seconds."""
    with _refusals():
        hand = _by_hand(by, reason)

    async def change(pool: asyncpg.Pool, password_hash: str) -> bool:
        sessions_from = await AccountsByHand(pool).change_password(login, password_hash, hand, _now)
        if sessions_from is not None:  # a session that began earlier would not be good
            await asyncio.sleep(max(0.0, (sessions_from - _now()).total_seconds()))
        return sessions_from is not None

    with _database(data_dir) as (url, _):
        password_hash = _hash_of_typed(login)
        if not _carry_out(url, lambda pool: change(pool, password_hash)):
            _fail("there is no account of that login which has a password here")
    typer.echo("changed")


@cli.command()
def licence(
    login: str, by: By, reason: Reason,
    number: Annotated[str, typer.Option(help="number of the licence")],
    expires: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="the last day on which it is valid")],
    data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Put a host's or guest's licence on record, or its renewal."""
    with _refusals():
        check_text("--number", number)
        hand = _by_hand(by, reason)
    with _database(data_dir) as (url, _):
        day = expires.date()
        if not _carry_out(url, lambda pool: AccountsByHand(pool).renew_licence(login, number, day, hand, _now())):
            _fail("there is no host or guest of that login")
    typer.echo("on record")


@cli.command("list")
def list_accounts(
    role: Annotated[str | None, typer.Option(help="only of this role")] = None, data_dir: DataDir = None
) -> None:
    """List who signs in with a password: login, role, name, open or closed, employee number, licence and its end."""
    with _refusals():
        if role is not None:
            check_role(role)
    with _database(data_dir) as (url, _):
        found = _carry_out(url, lambda pool: AccountsByHand(pool).listed(role))
    for one in found:
        typer.echo(_line(one))


@cli.command()
def close(login: str, by: By, reason: Reason, data_dir: DataDir = None) -> None:
    """Out of every room and stream within a second, no token good any more, no way to sign in."""
    _open_or_close("close", login, by, reason, data_dir)
    typer.echo("closed")


@cli.command()
def reopen(login: str, by: By, reason: Reason, data_dir: DataDir = None) -> None:
    """Let the account sign in again; its encoder tokens stay revoked."""
    _open_or_close("reopen", login, by, reason, data_dir)
    typer.echo("reopened")


def _open_or_close(act: str, login: str, by: str, reason: str, data_dir: Path | None) -> None:
    async def work(pool: asyncpg.Pool) -> bool:
        closing = AccountClosing(pool)
        done = closing.close if act == "close" else closing.reopen
        return await done(login, actor=by, reason=reason, now=_now())

    with _database(data_dir) as (url, _):
        if not _carry_out(url, work):
            _fail("there is no account of that login")


def _customer(role: str, birth_date: datetime | None, manager: str | None, branch: str | None) -> CustomerData | None:
    if role != "viewer":
        if (birth_date, manager, branch) != (None, None, None):
            _fail("--birth-date, --manager and --branch are for customers (--role viewer)")
        return None
    if birth_date is None:
        _fail("a customer needs --birth-date: without it nothing may be sold to them")
    with _refusals():
        check_text("--manager", manager)
        check_text("--branch", branch)
    return CustomerData(birth_date.date(), manager, branch)


def _by_hand(by: str, reason: str) -> ByHand:
    check_text("--by", by)
    check_text("--reason", reason)
    return ByHand(by, reason)


def _hash_of_typed(login: str) -> str:
    with _refusals():
        typed = typed_password(login)
    passwords = Passwords(threads=1)
    try:
        return passwords.hash(typed)
    finally:
        passwords.close()


def _line(one: ListedAccount) -> str:
    state = "closed" if one.closed else "open"
    ends = None if one.licence_expires_on is None else one.licence_expires_on.isoformat()
    shown = (one.login, one.role, one.name, state, one.employee_no, one.licence_no, ends)
    return "\t".join(value or "-" for value in shown)


@contextmanager
def _database(data_dir: Path | None) -> Iterator[tuple[str, Callable[[], dict[str, str]]]]:
    """Give the URL and what reads the keys of personal data: of DATABASE_URL, or else of a demo."""
    url = os.environ.get("DATABASE_URL")
    if url and data_dir is None:
        yield url, _data_keys
        return
    try:
        with demo_database(data_dir) as url:
            yield url, lambda: demo_data_key((data_dir or default_data_dir()).absolute())
    except (DemoError, EmbeddedError) as error:
        _fail(str(error))


def _data_keys() -> dict[str, str]:
    """Read DATA_KEYS as `serve` has them; raises ValueError."""
    keys = json.loads(os.environ.get(f"{PREFIX}DATA_KEYS", "{}"))
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise ValueError("a JSON object of key ids and keys in base64 is needed")
    return keys


def _carry_out(url: str, work: Callable[[asyncpg.Pool], Awaitable[Result]]) -> Result:
    async def on_a_pool() -> Result:
        async with asyncpg.create_pool(url, min_size=1, max_size=1, timeout=10) as pool:
            return await work(pool)

    try:
        return asyncio.run(on_a_pool())
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        _fail(f"DATABASE_URL: cannot be used ({type(error).__name__})")


@contextmanager
def _refusals(what: str = "") -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # AccountRefused is one
        _fail(f"{what}{error}")


def _day(given: datetime | None) -> date | None:
    return None if given is None else given.date()


def _now() -> datetime:
    return datetime.now(UTC)


def _fail(message: str) -> NoReturn:
    typer.echo(f"wealthcast: {message}", err=True)
    raise typer.Exit(1)
