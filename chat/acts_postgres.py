"""The record of acts in Postgres. Talks to Postgres."""

from typing import Any

from chat.acts import Act

_ACT = """
INSERT INTO moderation_acts (broadcast_id, act, comment_id, account_id, detail, actor_id, reason, at, client_message_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (actor_id, broadcast_id, client_message_id) WHERE client_message_id IS NOT NULL DO NOTHING
"""


async def record_act(
    connection: Any,
    broadcast_id: str,
    name: str,
    act: Act,
    *,
    comment_id: str | None = None,
    account_id: str | None = None,
    detail: str | None = None,
) -> bool:
    """Add one row to the record of acts, in the caller's transaction; say whether this act is new.

    Call it before what the act changes: a racing repeat then waits here until the first is committed or undone, and
    one that is not new must change nothing, as somebody may have decided otherwise since.
    """
    done = await connection.execute(
        _ACT, broadcast_id, name, comment_id, account_id, detail, act.actor_id, act.reason, act.at,
        act.client_message_id,
    )  # fmt: skip
    return bool(done == "INSERT 0 1")
