"""The embedded servers are real, durable, private, and die with their parent."""

import asyncpg
import redis.asyncio

from server.embedded.postgres import EmbeddedPostgres


async def test_postgres_keeps_what_it_acknowledged(pool: asyncpg.Pool) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await pool.fetchval(f"SHOW {name}") == "on"


async def test_postgres_refuses_a_wrong_password(embedded_postgres: EmbeddedPostgres) -> None:
    url = embedded_postgres.url.replace(embedded_postgres.password, "wrong")
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidPasswordError:
        return
    await connection.close()
    raise AssertionError("a wrong password was let in")


async def test_valkey_writes_an_append_only_file(redis_client: redis.asyncio.Redis) -> None:
    assert (await redis_client.config_get("appendonly"))["appendonly"] == "yes"
