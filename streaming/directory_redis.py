"""Which broadcasts have a publisher, shared between processes through Redis with leases. Does I/O."""

from collections.abc import Mapping, Sequence
from typing import Literal

import redis.asyncio

PublisherStatus = Literal["none", "flowing", "stalled"]
LEASE_S = 3
REFRESH_S = 1


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

    async def refresh(self, statuses: Mapping[str, PublisherStatus]) -> None:
        """Record the status of many broadcasts in one round trip; none of them is `none`."""
        async with self._client.pipeline(transaction=False) as together:
            for broadcast_id, status in statuses.items():
                together.set(_key(broadcast_id), status, ex=LEASE_S)
            await together.execute()

    async def status(self, broadcast_id: str) -> PublisherStatus:
        """Read the status; no entry means no publisher."""
        return _status(await self._client.get(_key(broadcast_id)))

    async def statuses(self, broadcast_ids: Sequence[str]) -> dict[str, PublisherStatus]:
        """Read the status of many broadcasts in one round trip."""
        async with self._client.pipeline(transaction=False) as together:
            for broadcast_id in broadcast_ids:
                together.get(_key(broadcast_id))
            values = await together.execute()
        return {broadcast_id: _status(value) for broadcast_id, value in zip(broadcast_ids, values, strict=True)}


def _status(value: bytes | str | None) -> PublisherStatus:
    if value == b"flowing":
        return "flowing"
    return "stalled" if value == b"stalled" else "none"


def _key(broadcast_id: str) -> str:
    return f"wc:{{room:{broadcast_id}}}:publisher"
