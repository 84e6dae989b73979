"""The doctor's look at a demo: its folder, and what runs with it now. Does I/O, changes nothing."""

import base64
import ipaddress
import socket
from pathlib import Path

import msgspec

from server.demo.places import ABOUT, DemoError, InUse, lan_address, owner_of
from server.doctor_media import is_ours
from server.doctor_program import alive, port, writers
from server.doctor_stores import postgres, redis
from server.embedded import valkey
from server.embedded.postgres import reachable, socket_url
from server.embedded.process import EmbeddedError, service_user
from server.finding import Finding
from server.settings import DEMO_SECRET_PREFIX, SettingsError, load_settings

_DEFAULT_PORT = 8080


class About(msgspec.Struct, frozen=True):
    """What a running demo says of itself; the next two ports are gateway and media."""

    process: str
    host: str
    port: int
    admin_port: int
    advertised: str
    packet_writer: str
    room_fan_out: str


def demo_findings(data: Path) -> list[Finding]:
    """Say what runs with this folder, or else whether a demo could be started with it."""
    try:
        running = owner_of(data)
        folder = [Finding("services", "embedded Valkey and PostgreSQL, for ./run demo"), *_folder(data)]
        return [*folder, *(_stopped() if running is None else _running(data, running))]
    except (DemoError, EmbeddedError) as error:
        return [Finding("demo", "cannot be looked at", str(error))]


def _folder(data: Path) -> list[Finding]:
    findings = []
    user = service_user()
    if user is not None:
        well = not data.exists() or reachable(data)
        mend = None if well else f"{user} cannot reach {data}: choose another --data-dir"
        findings.append(Finding("service user", f"{user} (we are root)", mend))
    state, mend = "not made yet", None
    if (data / "postgres" / "PG_VERSION").exists():
        state = "present"
    elif (data / "postgres").exists():
        state, mend = "half-written", "start the demo with --reset"
    return [*findings, Finding("data folder", f"{data} ({state})", mend)]


def _stopped() -> list[Finding]:
    try:
        settings = load_settings(
            database_url=socket_url(Path("/"), ""),
            redis_url="unix:///none",
            jwt_secret=DEMO_SECRET_PREFIX * 8,
            data_keys={f"{DEMO_SECRET_PREFIX}0": base64.b64encode(bytes(32)).decode()},
            demo=True,
        )
    except SettingsError as error:
        return [Finding("settings", "refused", line) for line in str(error).splitlines()]
    try:
        lan = f"{lan_address()} with --lan"
    except DemoError:
        lan = "no network for --lan"
    return [
        Finding("demo", "none runs with this folder"),
        *writers(settings),
        *_ports("127.0.0.1", _DEFAULT_PORT, ours=False),
        Finding("advertised media address", f"127.0.0.1; {lan}"),
    ]


def _ports(host: str, first: int, *, ours: bool) -> list[Finding]:
    findings = []
    for name, number, kind in (
        ("HTTP", first, socket.SOCK_STREAM),
        ("gateway", first + 1, socket.SOCK_STREAM),
        ("media", first + 2, socket.SOCK_DGRAM),
    ):
        finding = port(name, number, host, kind, ours=ours)
        if finding.mend is not None:
            finding = Finding(finding.what, finding.found, "free it, or start the demo with another --port")
        findings.append(finding)
    return findings


def _running(data: Path, running: InUse) -> list[Finding]:
    try:
        about = msgspec.json.decode((data / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.DecodeError):
        about = None
    if about is None or about.process != running.owner:
        return [Finding("demo", f"process {running.owner} is starting or stopping")]
    try:
        postgres_url = socket_url(Path(running.runtime), (data / "postgres-password").read_text())
        valkey_url = valkey.socket_url(
            Path(running.runtime).with_name("valkey"), (data / "valkey" / "password").read_text()
        )
    except OSError as error:
        raise DemoError(f"cannot read {error.filename} ({error.strerror}): ask as the user who runs the demo") from None
    answers = alive("127.0.0.1", about.port)
    return [
        Finding(
            "demo",
            f"process {running.owner} runs with this folder, http://localhost:{about.port}/",
            None if answers else "it does not answer: end it and start it again",
        ),
        postgres("PostgreSQL", postgres_url),
        redis("Valkey", valkey_url),
        Finding("packet writer", about.packet_writer),
        Finding("room fan-out", about.room_fan_out),
        *_ports(about.host, about.port, ours=answers),
        port("admin", about.admin_port, "127.0.0.1", socket.SOCK_STREAM, ours=answers),
        _advertised(about.advertised),
    ]


def _advertised(address: str) -> Finding:
    ours = is_ours(ipaddress.ip_address(address))
    mend = None if ours else "this machine has another address now: start the demo again"
    return Finding("advertised media address", address, mend)
