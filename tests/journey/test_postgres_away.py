"""A PostgreSQL that stops, is killed under statements, and comes back: every trouble is one that callers expect."""

import asyncio
import signal
from pathlib import Path

import asyncpg
import pytest

from server.embedded.postgres import start_postgres
from server.http.middleware import api_error
from server.pool import open_pool


def store_is_away(error: Exception) -> bool:
    answer = api_error(error, ())
    return answer is not None and (answer.status, answer.code) == (503, "unavailable") and bool(answer.retry_after_s)


async def test_a_postgres_that_is_gone_is_answered_with_503_and_a_hint(demo_dir: Path) -> None:
    runtime = demo_dir / "run"
    runtime.mkdir(exist_ok=True)
    runtime.chmod(0o777)
    postgres = start_postgres(demo_dir, runtime)
    pool = await open_pool(postgres.url_of("postgres"), least=1, most=8)
    asking = [asyncio.create_task(pool.fetchval("SELECT pg_sleep(60)")) for _ in range(4)]
    await asyncio.sleep(0.5)
    postgres.process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(postgres.process.wait, 10)
    for error in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(error, Exception)
        assert store_is_away(error), repr(error)
    (runtime / ".s.PGSQL.5432").unlink(missing_ok=True)
    with pytest.raises(ConnectionRefusedError) as refused:
        await pool.fetchval("SELECT 1")
    assert store_is_away(refused.value)
    postgres = await asyncio.to_thread(start_postgres, demo_dir, runtime)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await pool.fetchval("SELECT 1") == 1
                    break
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.1)
    finally:
        pool.terminate()
        postgres.stop()


def test_a_connection_that_lost_its_place_in_the_protocol_is_a_store_that_is_away() -> None:
    assert store_is_away(asyncpg.InternalClientError("cannot switch to state"))
