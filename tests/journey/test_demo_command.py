"""The demo as its user meets it: what is printed works, the audit finds its data, and it ends and refuses in order."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from server.demo.bank import SHOW_ID
from server.demo.places import MARKER
from tests.journey.demo import PATIENCE_S, ROOT, running_demo

pytestmark = pytest.mark.timeout(180)

ENDS_WITHIN_S = 25.0  # five times what it may take on a machine of its own


def command(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "server", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def refusal(*words: str) -> str:
    """The one line that a command says when it cannot go on."""
    done = command(*words)
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    return line


def processes_on(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def printed(text: str, what: str) -> tuple[str, str]:
    """The broadcast in the printed address, and whom to sign in as."""
    found = re.search(rf"^\s*{what}\s+\S+/(?:watch|monitor)/(\S+)\s+sign in as (\w+)", text, re.MULTILINE)
    assert found is not None, text
    return found[1], found[2]


async def test_what_is_printed_works_and_the_audit_knows_the_demo_running_and_stopped(demo_dir: Path) -> None:
    data = demo_dir / "data"
    async with running_demo(demo_dir, "--no-crowd") as demo:
        text = (demo_dir / "demo-output.log").read_text()
        async with asyncio.timeout(PATIENCE_S):
            while "Demo accounts" not in text:
                await asyncio.sleep(0.1)  # printed once everything serves, a moment after /readyz says so
                text = (demo_dir / "demo-output.log").read_text()
        for what in ("Viewer", "Monitor"):
            broadcast_id, login = printed(text, what)
            assert broadcast_id == SHOW_ID
            token = await demo.sign_in(login)
            account = (await demo.call("GET", "/api/v1/me", token))["account_id"]
            if what == "Monitor":
                shown = await demo.call("GET", f"/api/v1/broadcasts/{broadcast_id}", token)
                assert shown["monitor"]["account_id"] == account
        audited = await asyncio.to_thread(command, "audit", "--data-dir", str(data))
        assert (audited.returncode, audited.stdout) == (0, "audit: clean\n"), audited
        said = await asyncio.to_thread(refusal, "demo", "--data-dir", str(data), "--port", "1024")
        assert "already uses" in said
        stopping = time.monotonic()
    assert time.monotonic() - stopping < ENDS_WITHIN_S
    assert processes_on(data) == []
    audited = await asyncio.to_thread(command, "audit", "--data-dir", str(data))
    assert (audited.returncode, audited.stdout) == (0, "audit: clean\n"), audited
    assert processes_on(data) == []
    assert (await asyncio.to_thread(command, "token", "--role", "host", "--data-dir", str(data))).stdout.count(".") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
async def test_a_killed_demo_leaves_no_process_behind(demo_dir: Path) -> None:
    async with running_demo(demo_dir, "--no-sample", "--no-crowd") as demo:
        assert processes_on(demo_dir / "data")
        demo.process.kill()
        await demo.process.wait()
        async with asyncio.timeout(PATIENCE_S):
            while processes_on(demo_dir / "data"):  # noqa: ASYNC110  # other processes: nothing notifies us
                await asyncio.sleep(0.1)


def test_reset_removes_nothing_from_a_folder_that_no_demo_made(demo_dir: Path) -> None:
    (demo_dir / "postgres").mkdir()
    (demo_dir / "postgres" / "precious").write_text("mine")
    assert f"does not carry {MARKER}" in refusal("demo", "--reset", "--data-dir", str(demo_dir))
    assert "name a new or empty folder with --data-dir" in refusal("demo", "--data-dir", str(demo_dir))
    assert (demo_dir / "postgres" / "precious").read_text() == "mine"


def test_a_half_written_folder_and_a_taken_port_say_what_to_do(demo_dir: Path) -> None:
    (demo_dir / MARKER).touch()
    (demo_dir / "postgres").mkdir()
    assert "start with --reset" in command("demo", "--no-sample", "--data-dir", str(demo_dir)).stderr.splitlines()[-1]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in refusal("demo", "--port", str(port), "--data-dir", str(demo_dir))


def test_audit_and_token_without_a_demo_say_what_to_do(demo_dir: Path) -> None:
    for words in (("audit",), ("token", "--role", "host")):
        said = refusal(*words, "--data-dir", str(demo_dir))
        assert "no demo has run" in said
        assert "--data-dir" in said
