"""The scripts that keep a room's order in Redis, and how their replies and messages read. Pure.

One script takes an event's offset, keeps it in the room's stream and publishes it, so nothing comes between the three.
An epoch holds the run id of the server process that began it: after a restart or a failover the last writes may be
gone while counter and stream still look sound, so such an epoch is not gone on with.
"""

from collections.abc import Sequence

from chat.broker import Delivery, Position
from chat.sampling import SHOWN_MS

ONCE_MS = 900_000
_EPOCH_KEPT_MS = 7 * 24 * 3600 * 1000

# KEYS[1] the position's hash, KEYS[2] the stream. ARGV[1] a fresh epoch's name. Also one that is only read expires.
_EPOCH = f"""
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local known = redis.call('HMGET', KEYS[1], 'epoch', 'run')
local epoch = known[1]
if not epoch or known[2] ~= run then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run)
  redis.call('PEXPIRE', KEYS[1], {_EPOCH_KEPT_MS})
end
"""

# Further ARGV: channel, events kept, milliseconds kept, comments shown a second, now in milliseconds or 0 for Redis's
# own clock; then for each event its class and its envelope. Further KEYS: for each event the key that makes it happen
# once and the key of its author, or KEYS[1] where there is none. The rule of sampling is that of chat/sampling.py.
PUBLISH = (
    _EPOCH
    + f"""
local channel, kept, kept_ms, rate, now = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function shows(author)
  local bucket = redis.call('HMGET', KEYS[1], 'left', 'at')
  local full, at = rate * 1000, tonumber(bucket[2] or '0')
  local left = tonumber(bucket[1] or full)
  if now > at then
    left = math.min(full, left + (now - at) * rate)
    at = now
  end
  local need = 1000
  local spoke = tonumber(redis.call('GET', author) or '-1')
  if spoke >= 0 and now - spoke < {SHOWN_MS} then need = need + math.floor(full / 3) end
  local shown = left >= need
  if shown then
    left = left - 1000
    redis.call('SET', author, string.format('%d', now), 'PX', {SHOWN_MS})
  end
  redis.call('HSET', KEYS[1], 'left', string.format('%d', left), 'at', string.format('%d', at))
  return shown
end
for i = 1, (#ARGV - 6) / 2 do
  local importance, envelope = ARGV[5 + 2 * i], ARGV[6 + 2 * i]
  local once, author = KEYS[1 + 2 * i], KEYS[2 + 2 * i]
  if importance == 'total' then
    redis.call('PUBLISH', channel, '- 0 1 ' .. envelope)
  elseif once == KEYS[1] or redis.call('SET', once, 1, 'NX', 'PX', {ONCE_MS}) then
    local shown = 1
    if author ~= KEYS[1] and rate > 0 and not shows(author) then shown = 0 end
    local offset = redis.call('HINCRBY', KEYS[1], 'offset', 1)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', kept, '*', 'o', offset, 's', shown, 'e', envelope)
    redis.call('PUBLISH', channel, epoch .. ' ' .. offset .. ' ' .. shown .. ' ' .. envelope)
  end
end
redis.call('XTRIM', KEYS[2], 'MINID', '~', string.format('%d', math.max(0, now - kept_ms)))
redis.call('PEXPIRE', KEYS[2], kept_ms)
redis.call('PEXPIRE', KEYS[1], {_EPOCH_KEPT_MS})
return epoch
"""
)

# Further ARGV: epoch and offset of the caller, most entries to read. Returns epoch, offset, and newest first the
# entries after the caller's, or nothing for a caller that is of another epoch, ahead, or too far behind.
REPLAY = (
    _EPOCH
    + """
local offset = tonumber(redis.call('HGET', KEYS[1], 'offset') or '0')
local behind = offset - tonumber(ARGV[3])
if ARGV[2] ~= epoch or behind < 0 or behind > tonumber(ARGV[4]) then return {epoch, offset} end
if behind == 0 then return {epoch, offset, {}} end
return {epoch, offset, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', behind)}
"""
)


def read_message(message: bytes) -> Delivery | None:
    """Read `epoch offset shown envelope` as published; None for what is not that."""
    parts = message.split(b" ", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        return None
    epoch, offset, shown, envelope = parts
    position = None if epoch == b"-" else Position(epoch.decode("ascii", "replace"), int(offset))
    return Delivery(position, shown == b"0", envelope)


def read_entries(epoch: str, entries: Sequence[Sequence[object]]) -> list[Delivery]:
    """Read stream entries, newest first, into deliveries, oldest first."""
    deliveries = []
    for entry in reversed(entries):
        fields = entry[1]
        assert isinstance(fields, list)
        _, offset, _, shown, _, envelope = fields
        deliveries.append(Delivery(Position(epoch, int(offset)), shown == b"0", envelope))
    return deliveries
