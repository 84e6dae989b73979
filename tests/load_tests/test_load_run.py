"""`./run load` in small: a real installation, every kind of user, and the report that comes of it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journey.demo import ROOT

PATIENCE_S = 150.0


async def load(*words: str) -> tuple[int, str]:
    """Run it; returns the exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "load_tests.load", *words, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()  # what it started ends with its standard input
            await process.wait()
    assert process.returncode is not None
    return process.returncode, printed.decode()


@pytest.mark.timeout(180)
async def test_every_kind_of_user_plays_and_a_missed_threshold_is_exit_status_1(tmp_path: Path) -> None:
    out = tmp_path / "report"
    status, printed = await load(
        "storm", "--minutes", "0.25", "--viewers", "3", "--chatters", "2", "--buyers", "2", "--crowd", "6",
        "--media", "1", "--events", "2", "--workers", "1", "--out", str(out),
        # How late or slow things are on a busy machine is no finding here; what is exact is.
        "--threshold", "delivery_p99_ms<=60000", "--threshold", "order_p99_ms<=60000",
        "--threshold", "handshake_p99_ms<=60000", "--threshold", "first_picture_p95_ms<=60000",
        "--threshold", "all_back_s<=60", "--threshold", "media_lost<=100000", "--threshold", "received<=1",
    )  # fmt: skip
    found: dict[str, Any] = json.loads((out / "figures.json").read_text())
    failed = [one["threshold"] for one in found["thresholds"] if one["ok"] is False]
    assert failed == ["received <= 1"], printed
    assert status == 1
    figures = found["figures"]
    assert figures["comments_passed"] == figures["comments_sent"] > 10
    assert figures["received"] == figures["expected"] > 50
    # The storm cut six of the crowd and ten listeners of the probe; Locust's own come on top.
    assert figures["recovered"] >= 16 + 3
    assert figures["orders_asked"] >= sum(figures["orders"].values()) > 0
    assert figures["media_packets"] > 0
    assert figures["cpu_us_per_delivery"] > 0
    assert figures["redis_lag_p99_ms"] > 0
    page = (out / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=|url\(|@import|https?://""", page), "the report asks a network for something"
    assert page.count("<svg") >= 4
    names = {path.name for path in out.iterdir()}
    assert names >= {"report.html", "figures.json", "figures.csv", "seconds.csv", "locust_stats.csv", "locust.log"}
    assert not any(name.startswith(".") for name in names), "tokens and orders of the run are gone"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gently"], "invalid choice"),
        (["steady", "--threshold", "fast"], "write FIGURE<=NUMBER"),
        (["steady", "--host", "http://127.0.0.1:1"], "--host needs people"),
        (["steady", "--users", "0"], "more than 0"),
    ],
)
async def test_what_is_asked_wrongly_is_exit_status_2(words: list[str], says: str, tmp_path: Path) -> None:
    status, printed = await load(*words, "--out", str(tmp_path))
    assert status == 2
    assert says in printed


async def test_a_deployment_that_is_not_there_is_exit_status_3(tmp_path: Path) -> None:
    cast = tmp_path / "cast.json"
    nowhere = {"http": "http://127.0.0.1:1", "gateway": "ws://127.0.0.1:1/ws", "broadcast_id": "bc_x"}
    cast.write_text(json.dumps({**nowhere, "viewers": [{"login": "a", "password": "b"}]}))
    status, printed = await load("steady", "--cast", str(cast), "--out", str(tmp_path / "out"))
    assert status == 3, printed
    assert "127.0.0.1:1" not in printed or "POST" in printed


def test_the_locust_file_brings_no_asyncio_client_with_it() -> None:
    """They would block gevent's hub."""
    code = (
        "import sys, runpy; runpy.run_path('load_tests/locustfile.py');"
        "print([name for name in ('uvloop', 'aiohttp', 'websockets') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
