"""Which broadcasts have a publisher, shared between processes through Redis with leases."""

from typing import Literal

import redis.asyncio

PublisherStatus = Literal["none", "flowing", "stalled"]
LEASE_S = 30
REFRESH_S = 10


class PublisherDirectory:
    """Every media process writes its own publishers and refreshes them; a dead one's entries lapse by themselves."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def put(self, broadcast_id: str, status: PublisherStatus) -> None:
        """Record the status for LEASE_S seconds; `none` removes the entry."""
        if status == "none":
            await self._client.delete(_key(broadcast_id))
        else:
            await self._client.set(_key(broadcast_id), status, ex=LEASE_S)

    async def status(self, broadcast_id: str) -> PublisherStatus:
        """Read the status; no entry means no publisher."""
        value = await self._client.get(_key(broadcast_id))
        if value == b"flowing":
            return "flowing"
        return "stalled" if value == b"stalled" else "none"


def _key(broadcast_id: str) -> str:
    return f"wc:{{room:{broadcast_id}}}:publisher"
