"""The one file that reads a subscription past redis-py's own calls. Talks to Redis.

A message through `get_message` costs about 0.2 ms: a timeout, a retry wrapper, and a log line that is formatted whether
or not anyone reads it. What came in the same read needs none of that. The private names relied on (`connection._parser`
and its `_reader`, the hiredis reader) are held by tests/chat/test_broker_contract.py to the pinned release.
"""

from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.exceptions import RedisError


def waiting_reply(pubsub: Any) -> list[Any] | None:
    """Take a reply that was read already; None when there is none. Raises what the server sent as an error."""
    connection = pubsub.connection
    reader = getattr(getattr(connection, "_parser", None), "_reader", None)
    if reader is None or not hasattr(reader, "gets"):
        return None
    reply = reader.gets()
    if reply is NOT_ENOUGH_DATA:
        return None
    if isinstance(reply, RedisError):
        raise reply
    assert isinstance(reply, list)
    return reply
