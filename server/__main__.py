"""The command line, `python -m server COMMAND`; `./run` stands before it. What it does not take, it says in a line."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

# Each command imports what it needs when it runs: `token` should not pay for WebRTC.

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
DataDir = Annotated[Path | None, typer.Option(help="where the demo keeps its data (default: .data)")]


def _fail(message: str, status: int = 1) -> NoReturn:
    for line in message.splitlines():
        typer.echo(f"wealthcast: {line}", err=True)
    raise typer.Exit(status)


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@cli.command()
def demo(
    sample: Annotated[bool, typer.Option("--sample/--no-sample", help="air the sample show")] = True,
    crowd: Annotated[bool, typer.Option("--crowd/--no-crowd", help="simulated viewers who talk and buy")] = True,
    port: Annotated[int, typer.Option(min=1, max=65_533, help="HTTP; the next two are gateway and media")] = 8080,
    data_dir: DataDir = None,
    reset: Annotated[bool, typer.Option("--reset", help="forget what earlier runs kept")] = False,
    lan: Annotated[bool, typer.Option("--lan", help="let phones on the same network watch")] = False,
) -> None:
    """Run everything on this machine, with a seeded bank and a sample show."""
    from server.demo.launcher import DemoOptions, run_demo
    from server.demo.places import DemoError
    from server.embedded.process import EmbeddedError
    from server.migrate import MigrationError
    from server.settings import SettingsError

    try:
        run_demo(DemoOptions(sample=sample, crowd=crowd, port=port, data_dir=data_dir, reset=reset, lan=lan))
    except (DemoError, EmbeddedError, MigrationError, SettingsError) as error:
        _fail(str(error))


@cli.command()
def serve(
    roles: Annotated[
        str | None, typer.Option(help="what runs here: api,commerce,gateway,media (default: ROLES)")
    ] = None,
    workers: Annotated[str, typer.Option(help="1: one process; N or auto (the cores): several, supervised")] = "1",
) -> None:
    """Run in production: every setting from the environment or the file that WEALTHCAST_CONFIG names."""
    from server.lean_imports import NOT_FOR_SERVERS, hidden
    from server.settings import SettingsError, load_settings
    from server.supervisor.arguments import asked_roles, settled_workers

    try:
        settings = load_settings(**asked_roles(roles))
        if settings.demo:
            _fail("demo: only `./run demo` may set this", os.EX_CONFIG)
        number = settled_workers(workers, _cores())
        if number is None:
            with hidden(*NOT_FOR_SERVERS):
                from server.program import serve_forever

            serve_forever(settings)
        else:
            with hidden(*NOT_FOR_SERVERS):
                from server.supervisor.supervisor import supervise

            supervise(settings, number)
    except SettingsError as error:
        _fail(str(error), os.EX_CONFIG)


@cli.command(hidden=True)
def worker(place: str) -> None:
    """One process of a supervised installation; only the supervisor starts it."""
    from server.lean_imports import NOT_FOR_SERVERS, hidden

    with hidden(*NOT_FOR_SERVERS):
        from server.supervisor.worker import run_worker

    sys.exit(run_worker(place))


@cli.command()
def roll() -> None:
    """Replace every process of the running supervisor by a new one, losing nothing; reads ADMIN_HOST, ADMIN_PORT."""
    from server.settings import SettingsError, load_settings
    from server.supervisor.roll import RollError
    from server.supervisor.roll import roll as roll_now

    try:
        roll_now(load_settings())
    except (RollError, SettingsError) as error:
        _fail(str(error))
    typer.echo("every process was replaced")


@cli.command()
def top(
    at: Annotated[str, typer.Option(help="an admin port: the supervisor's, or a single process's")] = "127.0.0.1:8083",
    every: Annotated[float, typer.Option(min=0.1, max=60, help="seconds between frames")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="one frame and an end")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one frame as JSON")] = False,
) -> None:
    """Watch a running deployment: processes, connections, events, packets, orders, lags and what is wrong."""
    import asyncio

    from server.top import TopError, show_live, show_once

    try:
        if once or as_json:
            typer.echo(asyncio.run(show_once(at, every, as_json=as_json)))
        else:
            asyncio.run(show_live(at, every))
    except TopError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@cli.command()
def migrate() -> None:
    """Create or update the schema of DATABASE_URL; safe to run twice at once."""
    from server.migrate import MigrationError
    from server.migrate import migrate as bring_up_to_date

    url = os.environ.get("DATABASE_URL")
    if not url:
        _fail("DATABASE_URL: not set")
    try:
        bring_up_to_date(url)
    except MigrationError as error:
        _fail(str(error))
    typer.echo("the schema is up to date")


@cli.command()
def token(
    role: Annotated[str, typer.Option(help="viewer, host, monitor or checker")],
    broadcast: Annotated[str | None, typer.Option(help="limit the token to one broadcast")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print a session token for scripts against a demo."""
    from server.demo.places import DemoError, default_data_dir
    from server.demo.scripting import demo_token

    try:
        typer.echo(demo_token(data_dir or default_data_dir(), role, broadcast))
    except DemoError as error:
        _fail(str(error))


@cli.command()
def doctor(data_dir: DataDir = None) -> None:
    """Say what is active, and what is wrong with it."""
    from server.doctor import examine

    sys.exit(0 if examine(data_dir) else 1)


@cli.command()
def audit(
    data_dir: DataDir = None,
    export_dir: Annotated[
        Path | None, typer.Option(envvar="WEALTHCAST_EVIDENCE_EXPORT_DIR", help="folder of the exported heads")
    ] = None,
) -> None:
    """Recompute quota, ledgers and evidence of DATABASE_URL, or else of a demo; list what does not add up."""
    from commerce.suitability import SHANGHAI
    from server.audit import audit_database
    from server.core_adapter import EMBEDDED
    from server.demo.places import DemoError, default_data_dir, demo_data_key, demo_database
    from server.embedded.process import EmbeddedError
    from server.sale_rules import zone_of
    from server.settings import PREFIX

    url = os.environ.get("DATABASE_URL")
    try:
        if url and data_dir is None:
            keys = json.loads(os.environ.get(f"{PREFIX}DATA_KEYS", "{}"))
            embedded = os.environ.get(f"{PREFIX}CORE_BANKING", EMBEDDED) == EMBEDDED
            zone = zone_of(os.environ.get(f"{PREFIX}BUSINESS_ZONE", str(SHANGHAI)))
            sys.exit(0 if audit_database(url, export_dir, keys, embedded_core=embedded, zone=zone) else 1)
        data = data_dir or default_data_dir()
        with demo_database(data_dir) as url:
            clean = audit_database(url, data / "evidence", demo_data_key(data))
    except ValueError as error:
        _fail(f"DATA_KEYS: {error}")
    except (DemoError, EmbeddedError) as error:
        _fail(str(error))
    sys.exit(0 if clean else 1)


@cli.command()
def confirm(
    on: Annotated[str | None, typer.Option("--date", help="a business date, today's if none is given")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the report as one JSON array")] = False,
) -> None:
    """Confirm the orders whose T+1 has come, and report by product and show; may be repeated."""
    from datetime import date

    from commerce.errors import CommerceError
    from commerce.working_days import CalendarEndedError
    from server.confirm import confirm as confirm_due
    from server.settings import SettingsError, load_settings

    try:
        day = date.fromisoformat(on) if on else None
        sys.exit(0 if confirm_due(load_settings(), day, as_json=as_json) else 1)
    except (SettingsError, CalendarEndedError, CommerceError, ValueError) as error:
        _fail(str(error))


@cli.command()
def rotate_keys() -> None:
    """Seal personal data again under the first of DATA_KEYS; then the older ones can go."""
    from server.key_rotation import rotate_data_keys
    from server.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        _fail(str(error))
    sys.exit(0 if rotate_data_keys(settings) else 1)


def _add_recordings() -> None:
    from server.recordings import cli as recordings

    cli.add_typer(recordings, name="recording")


def _add_accounts() -> None:
    from server.accounts import cli as accounts

    cli.add_typer(accounts, name="account")


def _add_customers() -> None:
    from server.customers import cli as customers

    cli.add_typer(customers, name="customer")


def main() -> None:
    """Entry point."""
    if sys.argv[1:2] == ["customer"]:
        _add_customers()
    if sys.argv[1:2] == ["recording"]:
        _add_recordings()
    if sys.argv[1:2] == ["account"]:
        _add_accounts()
    name = "./run" if Path(sys.argv[0]).name == "__main__.py" else None
    try:
        sys.exit(cli(prog_name=name, standalone_mode=False))
    except typer.TyperException as error:
        message = error.format_message()
        helped = "\n" in message  # a group without a command: the message is its help
        typer.echo(message if helped else f"wealthcast: {message} (--help says what there is)", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
