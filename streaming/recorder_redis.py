"""Which broadcasts are being recorded and which cannot be, shared between processes through Redis. Does I/O."""

from typing import Literal

import redis.asyncio

RecorderStatus = Literal["recording", "failing"]
BEAT_S = 2.0
SILENT_AFTER_S = 7.0
_KEPT_S = 24 * 3600


class RecorderDirectory:
    """Every media process says of its own broadcasts how it stands, every BEAT_S.

    A recorder that falls silent without a word has stopped as much as one that says that it fails: its process was
    killed, and nothing records this broadcast until another process says that it does.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def put(self, broadcast_id: str, status: RecorderStatus) -> None:
        """Say how it stands; holds for SILENT_AFTER_S."""
        await self._client.set(_key(broadcast_id), status, ex=_KEPT_S)

    async def forget(self, broadcast_id: str) -> None:
        """Say that there is nothing to record any more: its publisher has left in good order."""
        await self._client.delete(_key(broadcast_id))

    async def unavailable(self, broadcast_id: str) -> bool:
        """Say whether the recorder of this broadcast is known to have stopped; who never recorded did not."""
        key = _key(broadcast_id)
        async with self._client.pipeline(transaction=True) as both:
            # The age by Redis's own clock: what is left of the life that the last beat gave.
            both.get(key)
            both.pttl(key)
            status, left_ms = await both.execute()
        if status is None:
            return False
        return status != b"recording" or _KEPT_S * 1_000 - int(left_ms) > SILENT_AFTER_S * 1_000


def _key(broadcast_id: str) -> str:
    return f"wc:{{room:{broadcast_id}}}:recorder"
