"""Publishes a room's events at a fixed rate from a process of its own, as other processes do. I/O: Redis.

`python -m server.bench.room_publisher REDIS_URL BROADCAST` obeys lines of JSON: `{"do": "comments", "per_s", "for_s"}`
or `{"do": "cards", …}`. Each event carries its number and, as `stream_time_ms`, the monotonic microsecond at which it
was to be sent, so that a late publisher counts as delay.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import redis.asyncio
import uvloop

from chat.broker_redis import RedisBroker, StreamLimits
from chat.envelope import seal
from chat.events import Author, CardPulled, CommentPosted, RoomEvent

_TEXT = "这个产品的起购金额是多少，什么时候可以赎回？"


def event(kind: str, number: int, intended_us: int) -> RoomEvent:
    """Make one event of a kind; a card's reason carries the time."""
    if kind == "cards":
        return CardPulled(f"pr_{number}", str(intended_us))
    author = Author(f"ac_{number % 500}", f"观众{number % 500}", "viewer")
    return CommentPosted(f"cm_{number}", "comment", author, _TEXT, int(time.time() * 1_000), intended_us)


async def publish(broker: RedisBroker, broadcast_id: str, kind: str, first: int, per_s: float, for_s: float) -> int:
    """Send events at their times, in order; return how many."""
    began_s, count = time.monotonic() + 0.05, int(per_s * for_s)
    pending: set[asyncio.Task[None]] = set()
    for i in range(count):
        intended_s = began_s + i / per_s
        if (wait_s := intended_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        sealed = seal(event(kind, first + i, int(intended_s * 1e6)))
        pending.add(asyncio.create_task(broker.publish(broadcast_id, sealed)))
        if len(pending) > 1_000:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    if pending:
        await asyncio.wait(pending)
    return count


async def main(redis_url: str, broadcast_id: str) -> None:
    """Obey lines until the input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(redis_url, max_connections=8)
    # Sampling is decided by whoever publishes; a bench wants every event with everyone.
    broker, first = RedisBroker(client, limits=StreamLimits(readable_per_s=0)), 0
    while line := await reader.readline():
        order = json.loads(line)
        sent = await publish(broker, broadcast_id, order["do"], first, order["per_s"], order["for_s"])
        first += sent
        print(json.dumps({"sent": sent}), flush=True)
    await client.aclose()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:3]))
