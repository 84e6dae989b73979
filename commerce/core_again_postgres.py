"""Orders about which the core was asked in vain, in Postgres. Does I/O inside the caller's transaction.

`Orders.save` and `Orders.released` strike an order off, in the statement that moves it on.
"""

from datetime import datetime

from asyncpg.pool import PoolConnectionProxy

_MOST_S = 60  # the pause doubles up to this, so that an order is soon gone on with when the core is well again
_PUT_OFF = """
    INSERT INTO core_again AS c (order_id, times, again_at) VALUES ($1, 1, $2::timestamptz + interval '2 seconds')
    ON CONFLICT (order_id) DO UPDATE
    SET times = c.times + 1, again_at = $2 + least($3, 2 ^ least(c.times + 1, 30)) * interval '1 second'"""


class CoreAgain:
    """A working list: whoever stands in it goes behind all who do not."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def put_off(self, order_id: str, now: datetime) -> None:
        """Ask about this order again after a pause, longer each time."""
        await self._connection.execute(_PUT_OFF, order_id, now, _MOST_S)
