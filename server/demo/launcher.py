"""Starts everything of a demo in order, says where to look, and stops it all again. Does I/O."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import segno
from rich.console import Console
from rich.table import Table

from server.demo import bank
from server.demo.children import Children
from server.demo.places import (
    ABOUT,
    CHECKOUT,
    Places,
    check_ports,
    demo_data_key,
    demo_secret,
    lan_address,
    open_places,
)
from server.demo.seed import seed
from server.doctor_demo import About
from server.doctor_program import named
from server.embedded.postgres import start_postgres
from server.embedded.process import spawn, stop
from server.embedded.valkey import start_valkey
from server.gateway.frame_writer import choose_frame_writer
from server.logs import configure_logs
from server.migrate import migrate
from server.program import Running, run_until_stopped
from server.settings import Settings, load_settings
from streaming.egress_choice import choose_writer

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class DemoOptions:
    """What the command line asks for."""

    sample: bool
    crowd: bool
    port: int
    data_dir: Path | None
    reset: bool
    lan: bool


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show what goes on with its seconds, and leave one line behind."""
    started = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"  {what}: {time.monotonic() - started:.1f} s")


def run_demo(options: DemoOptions) -> None:
    """Run until Ctrl-C or SIGTERM; raises DemoError, EmbeddedError or MigrationError before it is up."""
    started = time.monotonic()
    address = lan_address() if options.lan else "127.0.0.1"
    bind = "0.0.0.0" if options.lan else "127.0.0.1"
    check_ports(bind, options.port)
    places = open_places(options.data_dir, reset=options.reset)
    configure_logs("warning", readable=True)
    with ExitStack() as running:
        children = Children(lambda line: console.print(line, soft_wrap=True))
        running.callback(children.stop)
        data_key = demo_data_key(places.data)
        with step("Starting Valkey"):
            runtime = places.runtime / "valkey"
            valkey = children.start("Valkey", lambda: start_valkey(places.data, runtime), needed=True)
        with step("Starting PostgreSQL"):
            sockets = places.runtime / "postgres"
            postgres = children.start("PostgreSQL", lambda: start_postgres(places.data, sockets), needed=True)
        with step("Migrating and seeding"):
            migrate(postgres.url)
            seed(postgres.url, data_key)
        settings = load_settings(
            database_url=postgres.url,
            redis_url=valkey.url,
            jwt_secret=demo_secret(places.data),
            data_keys=data_key,
            host=bind,
            http_port=options.port,
            gateway_port=options.port + 1,
            media_port=options.port + 2,
            admin_port=0,
            media_advertised_ip=address,
            recording_dir=places.data / "recordings",
            evidence_export_dir=places.data / "evidence",
            demo=True,
            session_ttl_s=8 * 3600,
            log_level="warning",
        )

        def ready(ports: Running) -> Coroutine[Any, Any, None]:
            children.start("The sample show", lambda: start_show(options, places, settings), needed=False)
            say_what_runs(places, settings, ports)
            say_where_to_look(options, address, ports, time.monotonic() - started)
            return children.watch()

        run_until_stopped(settings, ready)
        console.print("Stopping …")
    if children.lost is not None:
        raise children.lost


@dataclass(frozen=True)
class Show:
    """Publisher, crowd and robot monitors, in a process of their own."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Let them take their leave."""
        stop(self.process, signal.SIGTERM, timeout_s=5)


def say_what_runs(places: Places, settings: Settings, ports: Running) -> None:
    """Leave word for the doctor, whose own environment may ask for other writers than ours did."""
    about = About(
        str(os.getpid()),
        settings.host,
        settings.http_port,
        ports.admin_port,
        str(settings.media_advertised_ip[0]),
        named(choose_writer(settings.media_packet_writer)),
        named(choose_frame_writer(settings.room_frame_writer)),
    )
    (places.data / ABOUT).write_bytes(msgspec.json.encode(about))


def start_show(options: DemoOptions, places: Places, settings: Settings) -> Show:
    """Start publisher, crowd and the robot monitors in a process of their own, over the public protocols."""
    credentials = places.data / "credentials.json"
    credentials.touch(mode=0o600)
    credentials.write_text(json.dumps(show_credentials()))
    argv = [sys.executable, "-m", "load_tests.show", "--broadcast", bank.SHOW_ID, "--monitor-for", bank.OWN_ID]
    argv += ["--http", f"http://127.0.0.1:{settings.http_port}"]
    argv += ["--gateway", f"ws://127.0.0.1:{settings.gateway_port}/ws"]
    argv += ["--credentials-file", str(credentials)]
    argv += [] if options.sample else ["--no-publisher"]
    argv += [] if options.crowd else ["--no-crowd"]
    return Show(spawn(argv, log=places.data / "show.log", cwd=CHECKOUT))


def show_credentials() -> dict[str, object]:
    """Who plays in the sample show."""

    def sign_in(login: str) -> dict[str, str]:
        return {"login": login, "password": bank.PASSWORD}

    return {
        "host": sign_in(bank.SHOW_HOST.login),
        "monitor": sign_in(bank.SHOW_MONITOR.login),
        "monitors": {bank.OWN_ID: sign_in(bank.MONITOR.login)},
        "viewers": [sign_in(customer.account.login) for customer in bank.CROWD],
        "product_id": bank.PRODUCT_ID,
    }


def say_where_to_look(options: DemoOptions, address: str, ports: Running, seconds: float) -> None:
    """Print addresses and accounts, and for phones a QR code."""
    base = f"http://{address if options.lan else 'localhost'}:{options.port}"
    console.print(f"\n[bold]Wealthcast is ready[/bold] after {seconds:.1f} s. Ctrl-C stops everything.\n")
    watched = bank.SHOW_ID if options.sample else bank.OWN_ID
    monitor = bank.SHOW_MONITOR if options.sample else bank.MONITOR
    for what, path, note in (
        ("Viewer", f"{base}/watch/{watched}", f"sign in as {bank.CUSTOMERS[0].account.login}; best at phone size"),
        ("Console", f"http://localhost:{options.port}/console", f"sign in as {bank.HOST.login}: go live yourself"),
        ("Monitor", f"{base}/monitor/{watched}", f"sign in as {monitor.login}: watch over it, cut it"),
    ):
        console.print(f"{what:<10}{path}   {note}", soft_wrap=True)  # a narrow terminal must not cut an address
    console.print(f"{'Operator':<10}http://127.0.0.1:{ports.admin_port}/metrics   and /readyz", soft_wrap=True)
    accounts = Table(title=f"Demo accounts (password: {bank.PASSWORD})", title_justify="left", box=None, padding=(0, 3))
    for column in ("sign in as", "role", "who"):
        accounts.add_column(column, justify="left", overflow="fold")
    for account in bank.offered_accounts():
        accounts.add_row(
            account["login"], account["role"], f"{account['display_name']}  {bank.NOTES[account['login']]}"
        )
    console.print()
    console.print(accounts)
    if options.lan:
        url = f"{base}/watch/{watched}"
        console.print(f"\nOn a phone in the same network: {url}")
        width, _ = shutil.get_terminal_size()
        if width >= 40:
            segno.make(url).terminal(out=sys.stderr, compact=True, border=2)
