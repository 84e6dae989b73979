"""The demo as its user meets it: what is printed works, the audit finds its data, and it ends and refuses in order."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from server.demo.bank import CUSTOMERS, HOST, OWN_ID, SHOW_ID
from server.demo.places import MARKER, demo_data_key
from tests.journey.demo import PATIENCE_S, ROOT, Demo, running_demo

pytestmark = pytest.mark.timeout(180)

QUIET_S = 5.0  # with show and crowd on, nothing is printed after the addresses
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


async def pages_answer(text: str) -> None:
    """Every printed address is a page."""
    addresses = re.findall(r"^(Viewer|Console|Monitor) +(http://\S+)", text, re.MULTILINE)
    assert [what for what, _ in addresses] == ["Viewer", "Console", "Monitor"]
    async with aiohttp.ClientSession() as session:
        for _, address in addresses:
            async with session.get(address) as answer:
                assert (answer.status, answer.content_type) == (200, "text/html"), address


async def the_operators_address_answers(text: str) -> str:
    """The printed admin port has the figures; gives the port."""
    found = re.search(r"^Operator +(http://127\.0\.0\.1:(\d+)/metrics) ", text, re.MULTILINE)
    assert found is not None, text
    async with aiohttp.ClientSession() as session, session.get(found[1]) as answer:
        assert "wealthcast_ready 1" in await answer.text()
    return found[2]


async def doctor_knows(demo: Demo, data: Path, admin_port: str) -> None:
    """The doctor says what runs with the folder, and where."""
    said = await asyncio.to_thread(command, "doctor", "--data-dir", str(data))
    assert said.returncode == 0, said.stdout
    lines = " ".join(said.stdout.split())
    port = demo.base.rpartition(":")[2]
    for fact in (
        f"process {demo.process.pid} runs with this folder",
        f"HTTP port {port} in use by the running program",
        f"admin port {admin_port} in use by the running program",
        "PostgreSQL PostgreSQL 18.",
        "Valkey valkey 9.",
        "advertised media address 127.0.0.1",
    ):
        assert fact in lines, said.stdout
    assert re.search(r"packet writer +(native|python) \(", said.stdout)


async def tokens_work(demo: Demo, data: Path) -> None:
    """A printed token is one of its role, and one for a broadcast reaches nothing else."""
    for role in ("viewer", "host", "monitor", "checker"):
        token = (await asyncio.to_thread(command, "token", "--role", role, "--data-dir", str(data))).stdout.strip()
        assert (await demo.call("GET", "/api/v1/me", token))["role"] == role
    words = ("token", "--role", "viewer", "--broadcast", OWN_ID, "--data-dir", str(data))
    token = (await asyncio.to_thread(command, *words)).stdout.strip()
    await demo.call("GET", f"/api/v1/broadcasts/{OWN_ID}", token)
    headers = {"Authorization": f"Bearer {token}"}
    other = f"{demo.base}/api/v1/broadcasts/{SHOW_ID}"
    async with aiohttp.ClientSession() as session, session.get(other, headers=headers) as answer:
        assert answer.status == 403


async def the_show_is_alive(demo: Demo) -> None:
    """Whoever joins the sample show's room hears its crowd talk and like."""
    token = await demo.sign_in(CUSTOMERS[0].account.login)
    port = int(demo.base.rpartition(":")[2]) + 1
    heard: set[str] = set()
    async with (
        asyncio.timeout(PATIENCE_S),
        connect(f"ws://127.0.0.1:{port}/ws", subprotocols=[Subprotocol("wealthcast.v1.json")]) as room,
    ):
        hello = {"type": "hello", "token": token, "broadcast_id": SHOW_ID, "client_id": "test"}
        await room.send(json.dumps(hello))
        while not {"welcome", "comment", "likes"} <= heard:
            heard |= {event["type"] for event in json.loads(await room.recv())}


async def test_what_is_printed_works_and_the_audit_knows_the_demo_running_and_stopped(demo_dir: Path) -> None:
    data = demo_dir / "data"
    async with running_demo(demo_dir) as demo:
        text = await demo.printed()
        quiet_since = time.monotonic()
        await pages_answer(text)
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
        await doctor_knows(demo, data, await the_operators_address_answers(text))
        await tokens_work(demo, data)
        await the_show_is_alive(demo)
        said = await asyncio.to_thread(refusal, "demo", "--data-dir", str(data), "--port", "1024")
        assert "already uses" in said
        await asyncio.sleep(max(0.0, QUIET_S - (time.monotonic() - quiet_since)))
        assert demo.log.read_text() == text
        stopping = time.monotonic()
    assert time.monotonic() - stopping < ENDS_WITHIN_S
    assert processes_on(data) == []
    audited = await asyncio.to_thread(command, "audit", "--data-dir", str(data))
    assert (audited.returncode, audited.stdout) == (0, "audit: clean\n"), audited
    assert processes_on(data) == []
    assert (await asyncio.to_thread(command, "token", "--role", "host", "--data-dir", str(data))).stdout.count(".") == 2


async def logged(demo: Demo, line: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while line not in demo.log.read_text():  # noqa: ASYNC110  # another process: nothing notifies us
            await asyncio.sleep(0.1)


async def signed_in_again(demo: Demo) -> str:
    """Sign in as soon as the database answers again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await demo.sign_in(CUSTOMERS[0].account.login)
            except (AssertionError, aiohttp.ClientError):  # refused while it is away
                await asyncio.sleep(0.2)


def test_a_database_without_its_key_is_refused_and_a_key_is_never_remade(demo_dir: Path) -> None:
    (demo_dir / MARKER).touch()
    made = demo_data_key(demo_dir)
    assert demo_data_key(demo_dir) == made
    assert (demo_dir / "data-key").stat().st_mode & 0o777 == 0o600
    (demo_dir / "postgres").mkdir()
    (demo_dir / "postgres" / "PG_VERSION").write_text("18")
    (demo_dir / "data-key").write_text("half of it")
    assert "data-key is damaged" in refusal("demo", "--data-dir", str(demo_dir))
    (demo_dir / "data-key").unlink()
    assert "data-key is missing" in refusal("demo", "--data-dir", str(demo_dir))
    assert not (demo_dir / "data-key").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
async def test_what_dies_beside_a_demo_is_started_again_and_a_killed_demo_leaves_no_process_behind(
    demo_dir: Path,
) -> None:
    async with running_demo(demo_dir, "--no-sample", "--no-crowd") as demo:
        await demo.printed()
        for what, words in (("The sample show", "load_tests.show"), ("Valkey", "valkey"), ("PostgreSQL", "postgres")):
            children = psutil.Process(demo.process.pid).children()
            (child,) = [child for child in children if words in " ".join(child.cmdline())]
            child.kill()
            await logged(demo, f"{what} ended (SIGKILL): starting it again\n")
        token = await signed_in_again(demo)
        assert (await demo.call("GET", "/api/v1/me", token))["role"] == "viewer"
        assert len(psutil.Process(demo.process.pid).children()) == 3
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


async def test_reset_begins_anew_and_without_it_everything_is_kept(demo_dir: Path) -> None:
    title = "只在重置以前"
    draft = {"title": title}

    async def titles(demo: Demo) -> list[str]:
        await demo.printed()
        host = await demo.sign_in(HOST.login)
        if len(runs) == 1:
            await demo.call("POST", "/api/v1/broadcasts", host, draft)
        listed = await demo.call("GET", "/api/v1/broadcasts?limit=100", host)
        return [one["title"] for one in listed["broadcasts"]]

    runs: list[str] = []
    for option, there in (("--no-sample", True), ("--no-crowd", True), ("--reset", False)):
        runs.append(option)
        async with running_demo(demo_dir, "--no-sample", "--no-crowd", option) as demo:
            assert (title in await titles(demo)) is there, option


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has another user run PostgreSQL")
def test_a_folder_that_only_root_can_reach_is_named_with_what_to_do(demo_dir: Path) -> None:
    (demo_dir / "home").mkdir(mode=0o700)
    said = refusal("demo", "--no-sample", "--data-dir", str(demo_dir / "home" / "data"))
    assert "cannot reach" in said
    assert "choose --data-dir" in said


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
