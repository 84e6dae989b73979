"""Which broadcasts cannot be recorded now, shared between processes through Redis with leases."""

import redis.asyncio

LEASE_S = 15


class RecorderDirectory:
    """Every media process writes the broadcasts that it fails to record; a dead one's entries lapse by themselves."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def put(self, broadcast_id: str, *, recording: bool) -> None:
        """Say how it stands: a broadcast that is not recorded stays so for LEASE_S seconds unless it is said again."""
        if recording:
            await self._client.delete(_key(broadcast_id))
        else:
            await self._client.set(_key(broadcast_id), b"unavailable", ex=LEASE_S)

    async def unavailable(self, broadcast_id: str) -> bool:
        """Say whether the recorder of this broadcast is known to have stopped."""
        return await self._client.get(_key(broadcast_id)) is not None


def _key(broadcast_id: str) -> str:
    return f"wc:{{room:{broadcast_id}}}:recorder"
