"""What the doctor says of real stores, ports and folders, well and ill."""

import asyncio
import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from server.demo.places import MARKER
from server.doctor import examine, look
from server.doctor_program import named
from server.finding import Finding
from server.settings import load_settings
from streaming import egress_choice
from streaming.egress_choice import choose_writer
from streaming.native.build import PACKET_WRITER
from tests.commerce.bank import DATA_KEYS
from tests.journey.demo import free_port

ADVERTISED = "203.0.113.7"  # on no interface here, as behind NAT
Environment = pytest.MonkeyPatch


@pytest.fixture
def installation(monkeypatch: Environment, postgres_url: str, redis_url: str) -> Environment:
    """The environment of a healthy installation whose ports are free."""
    port = free_port()
    for name, value in {
        "DATABASE_URL": postgres_url,
        "REDIS_URL": redis_url,
        "MEDIA_ADVERTISED_IP": ADVERTISED,
        "WEALTHCAST_JWT_SECRET": "k" * 40,
        "WEALTHCAST_DATA_KEYS": json.dumps(DATA_KEYS),
        "WEALTHCAST_HTTP_PORT": str(port),
        "WEALTHCAST_GATEWAY_PORT": str(port + 1),
        "WEALTHCAST_MEDIA_PORT": str(port + 2),
        "WEALTHCAST_ADMIN_PORT": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def findings(data_dir: Path | None = None) -> dict[str, Finding]:
    return {finding.what: finding for finding in await asyncio.to_thread(look, data_dir)}


def ill(found: dict[str, Finding]) -> dict[str, str]:
    """What is wrong, and what to do. The tests' own PostgreSQL runs without fsync, which is rightly found."""
    return {
        name: finding.mend
        for name, finding in found.items()
        if finding.mend is not None and "fsync is off" not in finding.mend
    }


async def test_of_a_healthy_installation_it_says_what_is_active(installation: Environment) -> None:
    found = await findings()
    assert ill(found) == {}
    assert re.fullmatch(r"PostgreSQL 18\.[1-9]\d*", found["DATABASE_URL"].found)
    assert found["REDIS_URL"].found.startswith("valkey 9")
    assert found["services"].found == "external"
    assert found["ALLOWED_ORIGINS"].found == "pages of the host that is asked"
    assert found["packet writer"].found == named(choose_writer("auto"))
    assert ADVERTISED in found["MEDIA_ADVERTISED_IP"].found
    assert found[f"media port {load_settings().media_port}"].found == "free"
    assert {"Python", "OpenSSL", "aiortc", "websockets"} <= found.keys()


async def test_a_database_without_its_schema_is_told_to_migrate(installation: Environment, postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("DELETE FROM schema_migrations WHERE version > '20261124'")
    # Looked at before the migrations, and off on the tests' own server.
    await connection.execute("ALTER SYSTEM RESET fsync")
    await connection.execute("SELECT pg_reload_conf()")
    try:
        assert "migrations pending: ./run migrate" in ill(await findings())["DATABASE_URL"]
    finally:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()


@pytest.mark.parametrize(
    ("setting", "wrong", "what"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1", "REDIS_URL"),
        ("DATABASE_URL", "postgres://u:secret@127.0.0.1:1/x", "DATABASE_URL"),
        ("MEDIA_ADVERTISED_IP", "127.0.0.1", "MEDIA_ADVERTISED_IP"),
        ("WEALTHCAST_HTTP_PROT", "80", "settings"),
    ],
)
async def test_what_is_wrong_is_named_and_no_password_is_shown(
    installation: Environment, setting: str, wrong: str, what: str
) -> None:
    installation.setenv(setting, wrong)
    found = await findings()
    assert ill(found).keys() == {what}
    assert "secret" not in found[what].found


async def test_a_forced_writer_that_was_not_built_is_wrong_and_a_chosen_one_says_why(
    installation: Environment, tmp_path: Path
) -> None:
    installation.setenv("WEALTHCAST_MEDIA_PACKET_WRITER", "python")
    assert (await findings())["packet writer"].found == "python (the settings ask for it)"
    installation.setattr(egress_choice, "PACKET_WRITER", replace(PACKET_WRITER, folder=tmp_path))
    installation.setenv("WEALTHCAST_MEDIA_PACKET_WRITER", "native")
    finding = (await findings())["packet writer"]
    assert "asks for native, but it was not built" in finding.found
    assert "run ./run again" in str(finding.mend)
    # A demo reads the same setting.
    for name in ("DATABASE_URL", "REDIS_URL"):
        installation.delenv(name)
    assert "asks for native" in (await findings(tmp_path))["packet writer"].found


@pytest.mark.parametrize(("offset", "kind"), [(0, socket.SOCK_STREAM), (2, socket.SOCK_DGRAM)])
async def test_a_port_that_something_else_holds_is_wrong(
    installation: Environment, offset: int, kind: socket.SocketKind
) -> None:
    port = load_settings().http_port + offset
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        (mend,) = ill(await findings()).values()
    assert mend == "free it, or choose another"


async def test_a_folder_without_a_demo_a_half_written_one_and_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / MARKER).touch()
    found = await findings(tmp_path)
    assert found["demo"].found == "none runs with this folder"
    assert "not made yet" in found["data folder"].found
    (tmp_path / "postgres").mkdir()
    assert not await asyncio.to_thread(examine, tmp_path)
    assert "start the demo with --reset" in capsys.readouterr().out
