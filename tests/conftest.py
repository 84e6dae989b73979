"""Real servers for the tests: one Valkey and one PostgreSQL a run, a fresh migrated database a test."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.valkey import EmbeddedValkey, start_valkey
from server.migrate import migrate

pytest_plugins = ["tests.skips"]

_database_numbers = itertools.count(1)
_LONG = ("journey", "load_tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders with the longest files come first: at the end of a run no process is left alone with one of them."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.fixture(scope="session")
def embedded_dir() -> Iterator[Path]:
    """A folder that the service user may walk into even when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="wc-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_postgres(embedded_dir: Path) -> Iterator[EmbeddedPostgres]:
    runtime = embedded_dir / "p"
    runtime.mkdir()
    server = start_postgres(embedded_dir, runtime)
    asyncio.run(_no_fsync(server))
    migrate(server.url_of("template_wealthcast"))
    yield server
    server.stop()


async def _no_fsync(server: EmbeddedPostgres) -> None:
    """Make a thousand small databases cheap: this cluster is never crashed. Tests of durability start their own."""
    connection = await asyncpg.connect(server.url_of("postgres"))
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def embedded_valkey(embedded_dir: Path) -> Iterator[EmbeddedValkey]:
    runtime = embedded_dir / "v"
    runtime.mkdir()
    runtime.chmod(0o777)
    server = start_valkey(embedded_dir, runtime)
    yield server
    server.stop()


@pytest.fixture
async def postgres_url(embedded_postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a database of this test's own, migrated, empty."""
    name = f"test_{next(_database_numbers)}"
    admin = await asyncpg.connect(embedded_postgres.url_of("postgres"))
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template_wealthcast')
        yield embedded_postgres.url_of(name)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(postgres_url, min_size=1, max_size=20)
    yield pool
    pool.terminate()


@pytest.fixture
async def redis_url(embedded_valkey: EmbeddedValkey) -> str:
    """The URL of a real Valkey, emptied."""
    client = redis.asyncio.Redis.from_url(embedded_valkey.url)
    await client.flushall()
    await client.aclose()
    return embedded_valkey.url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()
