"""The media processes of an installation, shared through Redis with leases. Talks to Redis.

Losing Redis is not losing a lease: while it cannot be asked the last known processes stand. A process that Redis no
longer names is forgotten once its lease has passed here too, so that a Redis without data does not empty the house.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import redis.asyncio

from streaming.placement import MediaProcess

LEASE_S = 8.0
_PROCESSES = "wc:{media}:processes"
_TIMEOUT_S = 2.0


class MediaDirectory:
    """`put` says how one's own process stands, `refresh` learns of the others, `processes` reads what is known."""

    def __init__(self, client: redis.asyncio.Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[MediaProcess, float]] = {}

    @property
    def processes(self) -> list[MediaProcess]:
        """The processes as last known; never waits."""
        return [process for process, _ in self._known.values()]

    def learn(self, process: MediaProcess) -> None:
        """Take in what is known at first hand: one's own process needs no Redis to be found."""
        self._known[process.process_id] = (process, self._clock())

    def forget(self, process_id: str) -> None:
        """A process that ended, or whose lease has lapsed."""
        self._known.pop(process_id, None)

    async def put(self, process: MediaProcess) -> None:
        """Say how a process stands, for LEASE_S seconds; raises RedisError, OSError and TimeoutError."""
        self.learn(process)
        async with asyncio.timeout(_TIMEOUT_S):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.sadd(_PROCESSES, process.process_id)
            pipeline.set(_key(process.process_id), msgspec.json.encode(process), px=int(LEASE_S * 1_000))
            await pipeline.execute()

    async def remove(self, process_id: str) -> None:
        """End the lease; raises as `put`."""
        self.forget(process_id)
        async with asyncio.timeout(_TIMEOUT_S):
            await self._client.srem(_PROCESSES, process_id)
            await self._client.delete(_key(process_id))

    async def refresh(self) -> None:
        """Learn who is there; raises as `put`, and then what was known stands."""
        async with asyncio.timeout(_TIMEOUT_S):
            named = await self._client.smembers(_PROCESSES)
            members = sorted(name if isinstance(name, str) else name.decode() for name in named)
            values = await self._client.mget([_key(member) for member in members]) if members else []
        lapsed = []
        for member, value in zip(members, values, strict=True):
            if value is None:
                lapsed.append(member)
                self.forget(member)
            else:
                self.learn(msgspec.json.decode(value, type=MediaProcess))
        now_s = self._clock()
        self._known = {name: known for name, known in self._known.items() if now_s - known[1] < LEASE_S}
        if lapsed:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._client.srem(_PROCESSES, *lapsed)


def _key(process_id: str) -> str:
    return f"wc:{{media}}:process:{process_id}"
