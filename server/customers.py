"""`./run customer`: points, declared means and money of a customer, by hand and on record. For the command line."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, NoReturn

import typer

from commerce.errors import CommerceError
from commerce.money import money
from commerce.records import ByHand
from server.app import Parts
from server.auth.issuer import account_of
from server.core_adapter import EMBEDDED
from server.ids import new_id
from server.sale_by_hand import sale_by_hand
from server.settings import Settings, SettingsError, load_settings

cli = typer.Typer(
    no_args_is_help=True, help="What staff give to a customer or write down for one; who and why is kept."
)
Login = Annotated[str, typer.Argument(help="the customer's login; with --of-issuer their number at the bank's issuer")]
By = Annotated[str, typer.Option(help="who does it; kept in the record")]
Reason = Annotated[str, typer.Option(help="why; kept in the record")]
OfIssuer = Annotated[bool, typer.Option("--of-issuer", help="LOGIN is what the issuer calls the customer")]
Number = Annotated[str | None, typer.Option("--id", help="the same id again gives nothing twice")]
AmountMinor = Annotated[int, typer.Option(help="in the currency's minor units")]
Currency = Annotated[str, typer.Option(help="ISO 4217")]
Act = Callable[[Parts, str], Awaitable[bool]]


@cli.command()
def points(
    login: Login, points: Annotated[int, typer.Option()], by: By, reason: Reason,
    expires: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="the last day on which they count")],
    act_id: Number = None, of_issuer: OfIssuer = False,
) -> None:  # fmt: skip
    """Grant applause points."""
    hand = ByHand(by, reason)

    async def act(parts: Parts, customer_id: str) -> bool:
        zone = parts.commerce.settings.suitability.business_zone
        ends = datetime.combine(expires.date() + timedelta(days=1), datetime.min.time(), zone)
        if ends <= datetime.now(UTC):
            _fail("these would have expired already")
        grant_id = act_id or new_id("gr")
        return await parts.commerce.applause.grant(
            customer_id, points, reason=reason, expires_at=ends, grant_id=grant_id, by_hand=hand
        )

    _command(login, of_issuer, act)


@cli.command()
def means(
    login: Login, amount_minor: AmountMinor, currency: Currency, by: By, reason: Reason, of_issuer: OfIssuer = False
) -> None:
    """Write down the means that the customer declares: what they may have invested in all."""

    async def act(parts: Parts, customer_id: str) -> bool:
        await parts.commerce.customers.declare_means(customer_id, money(amount_minor, currency), ByHand(by, reason))
        return True

    _command(login, of_issuer, act)


@cli.command()
def credit(
    login: Login, amount_minor: AmountMinor, currency: Currency, by: By, reason: Reason,
    act_id: Number = None, of_issuer: OfIssuer = False,
) -> None:  # fmt: skip
    """Put money on the customer's account of the embedded core; with a core of the bank's own it is the core's."""

    async def act(parts: Parts, customer_id: str) -> bool:
        if parts.settings.core_banking != EMBEDDED:
            _fail("the money is in the bank's core (CORE_BANKING), not here")
        amount, transfer_id = money(amount_minor, currency), act_id or new_id("tr")
        return await parts.commerce.customers.credit(
            customer_id, amount, transfer_id=transfer_id, by_hand=ByHand(by, reason)
        )

    _command(login, of_issuer, act)


def _command(login: str, of_issuer: bool, act: Act) -> None:
    try:
        done = asyncio.run(carry_out(load_settings(), login, of_issuer, act))
    except (SettingsError, CommerceError) as error:
        _fail(str(error))
    typer.echo("done" if done else "nothing was changed: this id was given before")


async def carry_out(settings: Settings, login: str, of_issuer: bool, act: Act) -> bool:
    """Do it for the account of this login, or for the issuer's customer of this number; raises typer.Exit."""
    async with sale_by_hand(settings) as parts:
        if of_issuer:
            if settings.issuer is None:
                _fail("ISSUER: not set")
            return await act(parts, account_of(settings.issuer, login))
        found = await parts.accounts.by_login(login)
        if found is None:
            _fail("there is no account of that login")
        return await act(parts, found[0].account_id)


def _fail(message: str) -> NoReturn:
    typer.echo(f"wealthcast: {message}", err=True)
    raise typer.Exit(1)
