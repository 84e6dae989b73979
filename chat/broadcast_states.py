"""What a broadcast's state means to its room. Pure."""

OVER = frozenset({"ended", "terminated", "cancelled", "rejected", "replay_review", "replay_published", "archived"})
ON_AIR = frozenset({"live", "paused"})
# Viewers may wait in the room of a show that is announced; earlier states are nobody's business but staff's.
VISIBLE = frozenset({"scheduled", "rehearsal"}) | ON_AIR
STAFF_ROLES = frozenset({"host", "guest", "monitor", "checker", "operator"})


def may_join(role: str, state: str) -> bool:
    """Say whether this role finds a room in this state; what is over is asked about separately."""
    return state in VISIBLE or role in STAFF_ROLES
