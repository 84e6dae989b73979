"""Nothing personal and no secret reaches a log, whatever an error says and whoever logs it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.log_scrubbing import scrub

ROOT = Path(__file__).parents[2]
BOUNDARIES = Path(__file__).with_name("log_boundaries.py")


def test_a_log_that_cannot_be_written_is_counted_and_troubles_nobody() -> None:
    said = (
        "import logging, structlog\nfrom server.logs import configure_logs, stream\n"
        "configure_logs('info', readable=False)\n"
        "structlog.get_logger('a').warning('one'); logging.getLogger('b').error('two'); print(stream.lost)"
    )
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-c", said]
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True, timeout=120, check=True)
    assert done.stdout == "2\n"


@pytest.mark.parametrize("form", ["json", "readable"])
def test_no_boundary_of_a_process_writes_what_an_error_says(form: str) -> None:
    """A name cannot be known by its looks: it stays out because errors' texts do."""
    argv = [sys.executable, "-m", "tests.server.log_boundaries", "王小梅-planted", form]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "planted" not in done.stderr + done.stdout
    for expected in ("own_failure", "loop_error", "doomed", "uncaught_in_thread", "uncaught_in_release", "23505"):
        assert expected in done.stderr, expected
    assert done.stderr.count("asyncpg.exceptions.UniqueViolationError") >= 15
    assert done.stderr.count("log_boundaries.py:") >= 15, "traces say where"


@pytest.mark.parametrize(
    "text",
    [
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY18xIn0.c2lnbmF0dXJl was sent",
        "wce_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4",
        "Authorization: Bearer abcdefghijklmnop",
        'password="hunter2secret"',
        "postgres://bank:hunter2secret@db/wealth",
        "DETAIL:  Failing row contains (ac_1, 王小梅).",
        "Key (login)=(王小梅) already exists",
        "call 13812345678",
        "card 6222020000000000000",
    ],
)
def test_what_slips_into_a_message_is_starred_out(text: str) -> None:
    event: dict[str, Any] = {"event": text, "more": {"inner": [text]}}
    said = str(scrub(None, "info", event))
    for secret in ("eyJzdWI", "Zm9vYmFy", "ghijklm", "hunter2", "王小梅", "13812345678", "6222020000000000000"):
        assert secret not in said


def test_plain_events_stay_as_they_are() -> None:
    event = {"event": "ready", "http_port": 8080, "broadcast_id": "bc_01m86v7zjkdjh5axv6n0sje4zd", "ok": True}
    assert scrub(None, "info", dict(event)) == event
