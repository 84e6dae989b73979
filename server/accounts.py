"""`./run account`: close and reopen accounts of DATABASE_URL. For the command line."""

import asyncio
import os
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import typer

from server.auth.account_closing_postgres import AccountClosing

cli = typer.Typer(no_args_is_help=True, help="Close and reopen accounts.")
By = Annotated[str, typer.Option(help="who does it; kept in the record")]
Reason = Annotated[str, typer.Option(help="why; kept in the record")]


@cli.command()
def close(login: str, by: By, reason: Reason) -> None:
    """Out of every room and stream within a second, no token good any more, no way to sign in."""
    _act("close", login, by, reason)


@cli.command()
def reopen(login: str, by: By, reason: Reason) -> None:
    """Let the account sign in again; its encoder tokens stay revoked."""
    _act("reopen", login, by, reason)


def _act(act: str, login: str, by: str, reason: str) -> None:
    url = os.environ.get("DATABASE_URL")
    if not url:
        _fail("DATABASE_URL: not set")
    try:
        known = asyncio.run(_carry_out(str(url), act, login, by, reason))
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        _fail(f"DATABASE_URL: cannot be used ({type(error).__name__})")
    if not known:
        _fail("there is no account of that login")
    typer.echo("closed" if act == "close" else "reopened")


async def _carry_out(url: str, act: str, login: str, by: str, reason: str) -> bool:
    async with asyncpg.create_pool(url, min_size=1, max_size=1, timeout=10) as pool:
        closing = AccountClosing(pool)
        work = closing.close if act == "close" else closing.reopen
        return await work(login, actor=by, reason=reason, now=datetime.now(UTC))


def _fail(message: str) -> None:
    typer.echo(f"wealthcast: {message}", err=True)
    raise typer.Exit(1)
