"""`python -m server serve` as operators start it: what it refuses, in one line that names the setting."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commerce.bank import DATA_KEYS
from tests.journey.demo import free_port

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "DATABASE_URL": "postgres://u:p@127.0.0.1:1/x",
    "REDIS_URL": "redis://127.0.0.1:1",
    "WEALTHCAST_JWT_SECRET": "k" * 40,
    "WEALTHCAST_DATA_KEYS": json.dumps(DATA_KEYS),
    "WEALTHCAST_ADMIN_PORT": "0",
}


def serve(environment: dict[str, str], *, command: str = "serve") -> subprocess.CompletedProcess[str]:
    """Run the real command without anything of our own environment's settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WEALTHCAST_", "MEDIA_")) and name not in ("DATABASE_URL", "REDIS_URL")
    }
    argv = [sys.executable, "-m", "server", command]
    return subprocess.run(
        argv, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


def refusal(environment: dict[str, str]) -> str:
    """What it says; one line, on stderr, with the status of a wrong configuration and no traceback."""
    done = serve(environment)
    assert done.returncode == os.EX_CONFIG, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("wealthcast: ")
    return line.removeprefix("wealthcast: ")


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_it_does_not_run_without_its_stores(missing: str) -> None:
    assert refusal({name: value for name, value in GOOD.items() if name != missing}) == f"{missing}: not set"


def test_it_refuses_a_demos_secret_and_the_demo_setting() -> None:
    assert "demo" in refusal({**GOOD, "WEALTHCAST_JWT_SECRET": "demo-" + "k" * 40})
    assert "only `./run demo`" in refusal({**GOOD, "WEALTHCAST_DEMO": "true"})


def test_a_database_that_does_not_answer_is_named() -> None:
    assert refusal(GOOD).startswith("DATABASE_URL: cannot connect")


@pytest.mark.parametrize("which", ["HTTP_PORT", "GATEWAY_PORT", "MEDIA_PORT"])
def test_a_taken_port_is_named_with_its_setting(postgres_url: str, redis_url: str, which: str) -> None:
    port = free_port()
    ports = {"HTTP_PORT": port, "GATEWAY_PORT": port + 1, "MEDIA_PORT": port + 2}
    kind = socket.SOCK_DGRAM if which == "MEDIA_PORT" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", ports[which]))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        said = refusal(
            {
                **GOOD,
                "DATABASE_URL": postgres_url,
                "REDIS_URL": redis_url,
                "WEALTHCAST_HOST": "127.0.0.1",
                **{f"WEALTHCAST_{name}": str(number) for name, number in ports.items()},
            }
        )
    assert said == f"{which}: port {ports[which]} is in use: free it, or choose another"


def test_an_address_of_another_machine_is_named(postgres_url: str, redis_url: str) -> None:
    said = refusal({**GOOD, "DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "WEALTHCAST_HOST": "203.0.113.9"})
    assert said == "HOST: 203.0.113.9 is on no interface of this machine"
