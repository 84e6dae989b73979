"""Likes in Redis, where all processes add them up, checkpointed each second. Talks to Redis."""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import redis.asyncio
from redis.exceptions import RedisError

from chat.errors import Unavailable
from chat.keys_redis import likes_key, likes_run_key, likes_total_key
from chat.likes import LikeCheckpoint

log = logging.getLogger(__name__)

_KEEP_S = 7 * 24 * 3600
# How many counts one script takes, well below what Lua can unpack and what would hold Redis for long.
_PORTION = 2_000
_FORGOTTEN = -1

# KEYS: highest counts, total, the server process that they were last made whole in.
_WHOLE = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local whole = redis.call('GET', KEYS[3]) == run and redis.call('EXISTS', KEYS[2]) == 1
"""
# ARGV: clients. Returns their highest counts, nothing where they are not whole.
_HIGHEST = f"""{_WHOLE}
if not whole then return {{}} end
return redis.call('HMGET', KEYS[1], unpack(ARGV))
"""
# ARGV: seconds to keep, 'merge' or 'restore' (or 'restored', the last portion of it), then client and count in turn.
_MERGE = f"""{_WHOLE}
if ARGV[2] == 'merge' and not whole then return {_FORGOTTEN} end
local gained = 0
for i = 3, #ARGV, 2 do
  local old = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
  local new = tonumber(ARGV[i + 1])
  if new > old then
    redis.call('HSET', KEYS[1], ARGV[i], new)
    gained = gained + new - old
  end
end
if ARGV[2] == 'restored' then
  local total = 0
  for _, count in ipairs(redis.call('HVALS', KEYS[1])) do total = total + count end
  redis.call('SET', KEYS[2], string.format('%d', total))
  redis.call('SET', KEYS[3], run)
elseif whole and gained > 0 then
  redis.call('INCRBY', KEYS[2], gained)
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return tonumber(redis.call('GET', KEYS[2]) or '0')
"""


class RedisLikeStore:
    """The sum is kept beside the counts, so a merge costs as much as it brings, however many clients there are.

    Redis may lose what it has (a restart loses the last moments even when it keeps the rest): the first to notice
    restores from the checkpoint, with what this process has not saved yet. What other processes have not saved then,
    they bring themselves: whatever was saved is merged once more. `run` must run for counts to be saved; until then
    they are held here, one number for each client that likes.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        checkpoint: LikeCheckpoint,
        *,
        timeout_s: float = 3.0,
        save_every_s: float = 1.0,
    ) -> None:
        self._merge = client.register_script(_MERGE)
        self._highest = client.register_script(_HIGHEST)
        self._checkpoint = checkpoint
        self._timeout_s = timeout_s
        self._save_every_s = save_every_s
        self._unsaved: dict[tuple[str, str], int] = {}

    async def merge(self, broadcast_id: str, counts: Mapping[str, int]) -> int:
        """As the port says."""
        self._hold({(broadcast_id, client): count for client, count in counts.items()})
        return await self._merge_or_restore(broadcast_id, counts.items())

    async def highest(self, broadcast_id: str, clients: Sequence[str]) -> dict[str, int]:
        """As the port says."""
        await self._merge_or_restore(broadcast_id, ())
        found: dict[str, int] = {}
        for start in range(0, len(clients), _PORTION):
            portion = clients[start : start + _PORTION]
            try:
                async with asyncio.timeout(self._timeout_s):
                    counts = await self._highest(_keys(broadcast_id), portion)
            except (RedisError, OSError, TimeoutError) as error:
                raise Unavailable("likes cannot be counted now") from error
            if not counts:
                raise Unavailable("likes were lost again")
            found |= {client: int(count or 0) for client, count in zip(portion, counts, strict=True)}
        return found

    async def _merge_or_restore(self, broadcast_id: str, counts: Iterable[tuple[str, int]]) -> int:
        total = await self._run(broadcast_id, "merge", counts)
        return total if total != _FORGOTTEN else await self._restore(broadcast_id)

    async def _restore(self, broadcast_id: str) -> int:
        """Make Redis whole again from the checkpoint; several processes at once do no harm."""
        saved = await self._checkpoint.load(broadcast_id)
        # Taken after the load: what was saved before it is in it, what was not is still held here.
        held = [(client, count) for (room, client), count in self._unsaved.items() if room == broadcast_id]
        counts = itertools.chain(saved.items(), held)
        while portion := list(itertools.islice(counts, _PORTION)):
            await self._run(broadcast_id, "restore", portion)
        log.info("likes of %s restored: %d clients", broadcast_id, len(saved))
        return await self._run(broadcast_id, "restored", ())

    async def _run(self, broadcast_id: str, mode: str, counts: Iterable[tuple[str, int]]) -> int:
        flat: list[str | int] = [_KEEP_S, mode]
        for client, count in counts:
            flat += (client, count)
        try:
            async with asyncio.timeout(self._timeout_s):
                return int(await self._merge(_keys(broadcast_id), flat))
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("likes cannot be counted now") from error

    def _hold(self, counts: Mapping[tuple[str, str], int]) -> None:
        for client, count in counts.items():
            self._unsaved[client] = max(count, self._unsaved.get(client, 0))

    async def run(self) -> None:
        """Save what is held each second until cancelled, and once more then."""
        task = asyncio.current_task()
        assert task is not None
        try:
            # Asked each time, as the broker does: before Python 3.12 a library's time-out can swallow a cancellation.
            while not task.cancelling():
                await asyncio.sleep(self._save_every_s)
                await self._save()
        finally:
            await self._save()

    async def _save(self) -> None:
        saving = dict(self._unsaved)
        if not saving:
            return
        try:
            await self._checkpoint.save(saving)
            await self._merge_again(saving)
        except Unavailable:
            log.warning("likes of %d clients wait to be saved", len(saving))
        else:
            # Held until then, so that a restore meanwhile misses nothing; what rose since is held on.
            self._unsaved = {client: count for client, count in self._unsaved.items() if count > saving.get(client, -1)}

    async def _merge_again(self, saved: Mapping[tuple[str, str], int]) -> None:
        """Tell Redis of counts that it was told before, and may have lost before they were saved.

        Another process that then made it whole found them neither in the checkpoint nor with itself. Whoever loads
        the checkpoint from now on finds them there.
        """
        rooms: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for (broadcast_id, client), count in saved.items():
            rooms[broadcast_id].append((client, count))
        for broadcast_id, counts in rooms.items():
            for start in range(0, len(counts), _PORTION):
                await self._merge_or_restore(broadcast_id, counts[start : start + _PORTION])


def _keys(broadcast_id: str) -> list[str]:
    return [likes_key(broadcast_id), likes_total_key(broadcast_id), likes_run_key(broadcast_id)]
