"""One run of the T+1 job in a process of its own, to be killed. The database's URL comes on the first line of stdin."""

import asyncio
import sys
from datetime import timedelta

import asyncpg

from server.ids import new_id
from tests.commerce.bank import Bank


async def _main() -> None:
    pool = await asyncpg.create_pool(sys.stdin.readline().strip(), min_size=1, max_size=4)
    bank = Bank(pool)
    bank.new_id = new_id
    bank.clock.advance(seconds=timedelta(days=1).total_seconds())
    bank.use_core(None)
    print("begins", flush=True)
    await bank.service.confirmation.run()
    pool.terminate()


if __name__ == "__main__":
    asyncio.run(_main())
