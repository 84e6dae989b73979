"""What a broadcast's state means to its room. Pure."""

# No broadcast comes back from these, so a room that heard of one believes no other news.
OVER = frozenset({"ended", "terminated", "cancelled", "replay_review", "replay_published", "archived"})
ON_AIR = frozenset({"live", "paused"})
