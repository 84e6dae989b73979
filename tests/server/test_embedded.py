"""The embedded servers are real, durable, private, and die with their parent."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio

from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.process import EmbeddedError
from server.embedded.valkey import start_valkey


async def test_postgres_refuses_a_wrong_password(embedded_postgres: EmbeddedPostgres) -> None:
    url = embedded_postgres.url.replace(embedded_postgres.password, "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_valkey_writes_an_append_only_file(redis_client: redis.asyncio.Redis) -> None:
    assert (await redis_client.config_get("appendonly"))["appendonly"] == "yes"


_PARENT = """
import sys, time
from pathlib import Path
from server.embedded.postgres import start_postgres
from server.embedded.valkey import start_valkey

data = Path(sys.argv[1])
valkey = start_valkey(data, data / "v")
postgres = start_postgres(data, data / "p")
print(valkey.process.pid, postgres.process.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def data_dir(embedded_dir: Path) -> Path:
    data = Path(tempfile.mkdtemp(dir=embedded_dir))
    data.chmod(0o755)
    for name in ("v", "p"):
        (data / name).mkdir()
        (data / name).chmod(0o777)
    return data


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_killed_parent_leaves_nothing_behind_and_the_next_start_finds_all_its_data(data_dir: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    again = start_postgres(data_dir, data_dir / "p")
    again.stop()


async def test_postgres_keeps_what_it_acknowledged(data_dir: Path) -> None:
    postgres = await asyncio.to_thread(start_postgres, data_dir, data_dir / "p")
    try:
        connection = await asyncpg.connect(postgres.url_of("postgres"))
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await connection.fetchval(f"SHOW {name}") == "on"
        await connection.close()
    finally:
        await asyncio.to_thread(postgres.stop)


def test_a_half_written_cluster_is_said_so_in_one_line(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    with pytest.raises(EmbeddedError, match="half-written: start with --reset"):
        start_postgres(data_dir, data_dir / "p")


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    (data_dir / "valkey").mkdir()
    (data_dir / "valkey" / "appendonlydir").write_text("in the way")
    with pytest.raises(EmbeddedError, match=r"valkey ended with status 1 at start.*log:"):
        start_valkey(data_dir, data_dir / "v")
