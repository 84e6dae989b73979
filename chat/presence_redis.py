"""Presence in Redis, by Redis's own clock so that gateways need not agree on theirs. Talks to Redis."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import redis.asyncio
from redis.exceptions import RedisError

from chat.errors import Unavailable
from chat.keys_redis import monitors_key, presence_key

_MONITORS_KEPT_S = 7 * 24 * 3600

# KEYS: gateways, monitors. ARGV: gateway, connections, lifetime in ms, seconds to keep monitors, monitors.
_REPORT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. string.format('%d', now + ARGV[3]))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local online = 0
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local count, expiry = string.match(entries[i + 1], '^(%d+):(%d+)$')
  if tonumber(expiry) > now then online = online + count else redis.call('HDEL', KEYS[1], entries[i]) end
end
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[3])
for i = 5, #ARGV do
  redis.call('HSET', KEYS[2], ARGV[i], string.format('%d', now))
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
return online
"""


class RedisPresence:
    """One script call a room, gateway and report."""

    def __init__(self, client: redis.asyncio.Redis, *, lifetime_s: float = 10.0, timeout_s: float = 3.0) -> None:
        """`lifetime_s`: how long a gateway counts after its last report; well under the 15 s a ghost may live."""
        self._client = client
        self._report = client.register_script(_REPORT)
        self._lifetime_ms = int(lifetime_s * 1_000)
        self._timeout_s = timeout_s

    async def report(self, broadcast_id: str, gateway_id: str, connections: int, monitors: Sequence[str]) -> int:
        """As the port says."""
        keys = [presence_key(broadcast_id), monitors_key(broadcast_id)]
        arguments: list[str | int] = [gateway_id, connections, self._lifetime_ms, _MONITORS_KEPT_S, *monitors]
        try:
            async with asyncio.timeout(self._timeout_s):
                return int(await self._report(keys, arguments))
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("presence cannot be counted now") from error

    async def online(self, broadcast_id: str) -> int:
        """As the port says."""
        try:
            async with asyncio.timeout(self._timeout_s):
                entries = cast(dict[bytes, bytes], await self._client.hgetall(presence_key(broadcast_id)))
                seconds, micros = await self._client.time()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("presence cannot be read now") from error
        now_ms = int(seconds) * 1_000 + int(micros) // 1_000
        counts = [tuple(map(int, entry.split(b":"))) for entry in entries.values()]
        return sum(count for count, expiry_ms in counts if expiry_ms > now_ms)

    async def monitor_last_seen(self, broadcast_id: str, account_id: str) -> datetime | None:
        """As the port says."""
        try:
            async with asyncio.timeout(self._timeout_s):
                seen_ms = await self._client.hget(monitors_key(broadcast_id), account_id)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("presence cannot be read now") from error
        return None if seen_ms is None else datetime.fromtimestamp(int(seen_ms) / 1_000, UTC)
