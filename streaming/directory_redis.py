"""Which broadcasts have a publisher, shared between processes through Redis with leases. Does I/O."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import redis.asyncio

PublisherStatus = Literal["none", "flowing", "stalled"]
LEASE_S = 3
REFRESH_S = 1

_PUT = """
local status, owner = KEYS[1], KEYS[2]
local me, said, lease_s, takes_over = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local held = redis.call('GET', owner)
if held and held ~= me and not takes_over then
  return 0
end
if said == 'none' then
  redis.call('DEL', status, owner)
else
  redis.call('SET', status, said, 'EX', lease_s)
  redis.call('SET', owner, me, 'EX', lease_s)
end
return 1
"""
"""Compares the owner and writes at once: between the two no other process comes."""


class PublisherDirectory:
    """Every media process writes its own publishers and refreshes them; a dead one's entries lapse by themselves.

    An entry has an owner, the process whose publisher started last. What another says of the broadcast is not taken
    while the owner's lease runs: a process that drains, or hung, cannot undo what its successor said.
    """

    def __init__(self, client: redis.asyncio.Redis, owner: str) -> None:
        self._client = client
        self._owner = owner

    async def start(self, broadcast_id: str) -> None:
        """A publisher's first packet came: its entry flows for LEASE_S seconds and is ours from now on."""
        await self._client.eval(*self._command(broadcast_id, "flowing", takes_over=True))

    async def put(self, broadcast_id: str, status: PublisherStatus) -> bool:
        """Record the status for LEASE_S seconds, `none` removes the entry; False where it is another owner's."""
        return bool(await self._client.eval(*self._command(broadcast_id, status)))

    async def refresh(self, statuses: Mapping[str, PublisherStatus]) -> None:
        """Do as `put` for many broadcasts in one round trip."""
        async with self._client.pipeline(transaction=False) as together:
            for broadcast_id, status in statuses.items():
                together.eval(*self._command(broadcast_id, status))
            await together.execute()

    def _command(self, broadcast_id: str, status: PublisherStatus, *, takes_over: bool = False) -> tuple[Any, ...]:
        key = _key(broadcast_id)
        return _PUT, 2, key, f"{key}_owner", self._owner, status, LEASE_S, int(takes_over)

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
