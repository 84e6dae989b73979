"""`./run roll`: ask the running supervisor for a rolling restart and follow it to its end. Does I/O."""

import json
import os
import signal
import time
import urllib.request
from typing import Any

from server.listening import address_literal
from server.settings import Settings

_ASK_S = 5.0
_PATIENCE_S = 900.0


class RollError(Exception):
    """The roll could not be asked for or was abandoned; the message says why."""


def roll(settings: Settings) -> None:
    """Signal the supervisor that answers on ADMIN_PORT and wait; raises RollError."""
    before = _state(settings)
    try:
        os.kill(before["pid"], signal.SIGHUP)
    except (KeyError, ProcessLookupError):
        raise RollError("what answers on the admin port is no supervisor: serve with --workers") from None
    except PermissionError:
        raise RollError("the supervisor belongs to another user: run this as that user") from None
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        time.sleep(0.5)
        state = _state(settings)
        if state["rolls"] > before["rolls"]:
            if state["last_roll"] != "done":
                raise RollError(state["last_roll"])
            return
    raise RollError(f"not finished after {_PATIENCE_S:.0f} s; /healthz on the admin port says how it stands")


def _state(settings: Settings) -> dict[str, Any]:
    host = address_literal(settings.admin_host)
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.admin_port}/healthz", timeout=_ASK_S) as answer:
            state: dict[str, Any] = json.load(answer)
            return state
    except (OSError, ValueError) as error:
        raise RollError(f"no supervisor answers on {host}:{settings.admin_port} ({type(error).__name__})") from None
