"""The Postgres pool of a process. Talks to Postgres."""

from typing import Any

import asyncpg

_WAIT_S = 3.0


class BoundedPool(asyncpg.Pool):  # type: ignore[misc]  # the library has no types
    """A pool on which nobody waits for a connection without an end, however it is asked: every way goes by `acquire`.

    Raises TimeoutError, after three seconds unless the caller says otherwise; over HTTP that is 503 with `Retry-After`.
    """

    def acquire(self, *, timeout: float | None = None) -> Any:
        """Lend a connection; `timeout` in seconds."""
        return super().acquire(timeout=_WAIT_S if timeout is None else timeout)


class SessionlessConnection(asyncpg.Connection):  # type: ignore[misc]  # the library has no types
    """A connection that asks for no clean-up when it goes back to its pool, which is a round trip saved each time.

    Nobody on these pools changes a session (LISTEN, SET, cursors WITH HOLD, advisory locks of a session), and what a
    transaction held went with it; one that was left open is rolled back all the same.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Nothing to send."""
        return ""


async def _connect(*arguments: Any, **named: Any) -> asyncpg.Connection:
    """Connect; a socket file that is gone, as while a PostgreSQL beside us restarts, is a refused connection."""
    try:
        return await asyncpg.connect(*arguments, **named)
    except FileNotFoundError as error:
        raise ConnectionRefusedError(error.errno, error.strerror) from error


async def open_pool(url: str, *, least: int = 2, most: int = 24) -> BoundedPool:
    """Connect; raises OSError, TimeoutError or asyncpg's errors."""
    pool = BoundedPool(
        url,
        min_size=least,
        max_size=most,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        connect=_connect,
        setup=None,
        init=None,
        reset=None,
        loop=None,
        connection_class=SessionlessConnection,
        record_class=asyncpg.Record,
        command_timeout=10,
        timeout=10,
    )
    await pool
    return pool
