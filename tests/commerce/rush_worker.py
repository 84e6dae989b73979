"""One server process of a rush: orders as its arguments say and prints each answer as it is given.

Arguments: worker number, orders. The database's URL comes on the first line of stdin.
"""

import asyncio
import sys
from datetime import UTC, datetime

import asyncpg

from commerce.errors import CommerceError
from commerce.service import CommerceService
from commerce.settings import CommerceSettings
from server.ids import new_id
from tests.commerce.bank import ENVELOPES, Broadcasts


async def _order(service: CommerceService, worker: int, number: int) -> None:
    customer_id = f"ac_{worker}_{number % 20}"
    amount_minor = 100_000 + 10_000 * (number * 7 % 13)
    try:
        order = await service.sale.reserve(
            customer_id, f"ak_{worker}_{number % 20}", amount_minor, "CNY", f"{worker}-{number}"
        )
    except CommerceError as error:
        print(number, error.code, flush=True)
    else:
        print(number, order.order_id, flush=True)


async def _main(worker: int, orders: int) -> None:
    url = sys.stdin.readline().strip()
    pool = await asyncpg.create_pool(url, min_size=1, max_size=8)
    settings = CommerceSettings(order_group_most=16, order_queue_wait_s=60.0, operation_timeout_s=60.0)
    service = CommerceService(
        pool,
        broadcasts=Broadcasts(),
        now=lambda: datetime.now(UTC),
        new_id=new_id,
        envelopes=ENVELOPES,
        settings=settings,
    )
    await asyncio.gather(*(_order(service, worker, number) for number in range(orders)))
    pool.terminate()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
