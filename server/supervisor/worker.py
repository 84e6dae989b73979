"""A supervised process's own side: takes its place, inherits the listening sockets, reports. Does I/O."""

import os
import socket
from typing import Any

import msgspec
import structlog

from server.listening import Inherited
from server.logs import configure_logs
from server.program import run_until_stopped
from server.settings import SettingsError, load_settings
from server.supervisor.place import Place, Report, send_report


def run_worker(place_json: str) -> int:
    """Run one place until SIGTERM; returns the exit status. Settings are read as `serve` reads them."""
    place = msgspec.json.decode(place_json, type=Place)
    os.set_inheritable(place.report, False)
    given: dict[str, Any] = {"roles": place.roles, "admin_port": 0}
    if place.media_port is not None:
        given["media_port"] = place.media_port
    try:
        settings = load_settings(**given)
        configure_logs(settings.log_level, readable=False)
        structlog.contextvars.bind_contextvars(process=place.name)
        run_until_stopped(
            settings,
            lambda ports: send_report(place.report, Report(ports.admin_port, ports.media_port or 0)),
            Inherited(_socket(place.http), _socket(place.gateway)),
        )
    except SettingsError as error:  # raised at start only, so nothing was reported before
        send_report(place.report, Report(refused=str(error)))
        return os.EX_CONFIG
    return os.EX_OK


def _socket(descriptor: int | None) -> socket.socket | None:
    if descriptor is None:
        return None
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
