"""Names of keys and channels in Redis. Pure.

The hash tag keeps everything of one room in one slot, so that a cluster can shard by room.
"""


def events_channel(broadcast_id: str) -> str:
    """The channel of a room's events."""
    return f"wc:{{room:{broadcast_id}}}:events"


def position_key(broadcast_id: str) -> str:
    """The hash of a room's epoch, last offset and sampling bucket."""
    return f"wc:{{room:{broadcast_id}}}:position"


def stream_key(broadcast_id: str) -> str:
    """The stream of a room's last events."""
    return f"wc:{{room:{broadcast_id}}}:stream"


def once_key(broadcast_id: str, once: str) -> str:
    """The mark of an event that was published."""
    return f"wc:{{room:{broadcast_id}}}:once:{once}"


def shown_key(broadcast_id: str, author_id: str) -> str:
    """When a comment of this author was last shown."""
    return f"wc:{{room:{broadcast_id}}}:shown:{author_id}"


def likes_key(broadcast_id: str) -> str:
    """The hash of each client's highest like count."""
    return f"wc:{{room:{broadcast_id}}}:likes"


def likes_total_key(broadcast_id: str) -> str:
    """The sum over that hash."""
    return f"wc:{{room:{broadcast_id}}}:likes_total"


def likes_run_key(broadcast_id: str) -> str:
    """The run id of the Redis process in which likes were last made whole."""
    return f"wc:{{room:{broadcast_id}}}:likes_run"


def presence_key(broadcast_id: str) -> str:
    """The hash of each gateway's connection count and its expiry."""
    return f"wc:{{room:{broadcast_id}}}:presence"


def monitors_key(broadcast_id: str) -> str:
    """The hash of when each monitor was last connected."""
    return f"wc:{{room:{broadcast_id}}}:monitors"
