"""Withdrawals that are owed to their rooms, as parts of others' work on a connection. Talks to Postgres."""

from typing import Any

from chat.archive import Withdrawal

# A comment of which a room hears after its withdrawal owes it anew: `since` tells the two apart.
_OWE_AGAIN = "ON CONFLICT (comment_id) DO UPDATE SET since = clock_timestamp()"
_OWE = f"INSERT INTO untold_withdrawals (comment_id, broadcast_id) VALUES ($1, $2) {_OWE_AGAIN} RETURNING since"
# A comment that was released meanwhile has another audience, which has not heard it by this.
MARK = f"""
WITH marked AS (
    UPDATE comments SET published = true
    FROM unnest($1::text[], $2::text[]) AS heard (comment_id, audience)
    WHERE comments.comment_id = heard.comment_id AND comments.audience = heard.audience
    RETURNING comments.comment_id, comments.broadcast_id, comments.removed_at
)
INSERT INTO untold_withdrawals (comment_id, broadcast_id)
SELECT comment_id, broadcast_id FROM marked WHERE removed_at IS NOT NULL ORDER BY comment_id
{_OWE_AGAIN}
"""
"""Marks comments as heard; of those that were withdrawn by then the withdrawal is owed, as it may have come first."""
_OWED = "SELECT comment_id, broadcast_id, since FROM untold_withdrawals ORDER BY since LIMIT $1"
_TOLD = "DELETE FROM untold_withdrawals WHERE comment_id = $1 AND since = $2"


async def owe(lent: Any, broadcast_id: str, comment_id: str, *, pin_told_anew: bool) -> Withdrawal:
    """Note that the room is to be told."""
    since = await lent.fetchval(_OWE, comment_id, broadcast_id)
    return Withdrawal(broadcast_id, comment_id, since, pin_told_anew)


async def owed(lent: Any, limit: int) -> list[Withdrawal]:
    """Return what is owed, the oldest first; whether the pin changed is not known any more."""
    rows = await lent.fetch(_OWED, limit)
    return [Withdrawal(row["broadcast_id"], row["comment_id"], row["since"], True) for row in rows]


async def note_told(lent: Any, told: Withdrawal) -> None:
    """Note that it was told; what is owed since then stays owed."""
    await lent.execute(_TOLD, told.comment_id, told.since)
