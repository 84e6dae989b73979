"""A server process that is killed (SIGKILL) before its n-th statement, in one fork for each n.

The database's URL comes on the first line of stdin, then a line `n customer acknowledgement` each. A fork buys, submits
and cancels with one connection, under the keys r, s and c; its n-th statement (COMMIT too) is never sent. BEGIN is not
counted: killed before it or behind it, the same is left.
Prints `n killed`, or `n through` when there was no n-th statement.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import asyncpg

from server.ids import new_id
from tests.commerce.bank import Bank

_STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval")
_NOT_COUNTED = ("SELECT pg_advisory_unlock_all", "BEGIN")  # the first: how the pool takes a connection back


def _count(n: int) -> None:
    """Have this process killed before its n-th statement from now on."""
    left = [n]
    for name in _STATEMENTS:
        real = getattr(asyncpg.Connection, name)

        async def counted(self: Any, *args: Any, _real: Any = real, **kwargs: Any) -> Any:
            left[0] -= not args[0].startswith(_NOT_COUNTED)
            if left[0] == 0:  # what follows is not sent
                os.kill(os.getpid(), signal.SIGKILL)
            return await _real(self, *args, **kwargs)

        setattr(asyncpg.Connection, name, counted)


async def _buy(url: str, n: int, customer_id: str, acknowledgement_id: str) -> None:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
    bank = Bank(pool)
    bank.new_id = new_id
    bank.use_core(None)
    _count(n)
    sale = bank.service.sale
    order = await sale.reserve(customer_id, acknowledgement_id, 100_000, "CNY", "r")
    await sale.submit(customer_id, order.order_id, "s")
    await sale.cancel(customer_id, order.order_id, "c")
    pool.terminate()


def _main() -> None:
    url = sys.stdin.readline().strip()
    for line in sys.stdin:
        number, customer_id, acknowledgement_id = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(_buy(url, int(number), customer_id, acknowledgement_id))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(number, "killed" if killed else "through" if status == 0 else f"status {status}", flush=True)


if __name__ == "__main__":
    _main()
