"""Likes in Redis: one atomic script a room and tick. Talks to Redis."""

import asyncio
from collections.abc import Mapping

import redis.asyncio
from redis.exceptions import RedisError

from chat.errors import Unavailable
from chat.keys_redis import likes_key, likes_total_key

_KEEP_S = 7 * 24 * 3600

# KEYS: highest counts, total. ARGV: seconds to keep, then client and count in turn.
_MERGE = """
local gained = 0
for i = 2, #ARGV, 2 do
  local old = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
  local new = tonumber(ARGV[i + 1])
  if new > old then
    redis.call('HSET', KEYS[1], ARGV[i], new)
    gained = gained + new - old
  end
end
if gained > 0 then
  redis.call('INCRBY', KEYS[2], gained)
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[1])
end
return tonumber(redis.call('GET', KEYS[2]) or '0')
"""


class RedisLikeStore:
    """The sum is kept beside the counts, so a merge costs as much as it brings, however many clients there are."""

    def __init__(self, client: redis.asyncio.Redis, *, timeout_s: float = 3.0) -> None:
        self._merge = client.register_script(_MERGE)
        self._timeout_s = timeout_s

    async def merge(self, broadcast_id: str, counts: Mapping[str, int]) -> int:
        """As the port says."""
        flat: list[str | int] = [_KEEP_S]
        for client, count in counts.items():
            flat += (client, count)
        try:
            async with asyncio.timeout(self._timeout_s):
                total = await self._merge([likes_key(broadcast_id), likes_total_key(broadcast_id)], flat)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("likes cannot be counted now") from error
        return int(total)
