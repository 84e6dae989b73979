"""The record of acts in Postgres. Talks to Postgres."""

from typing import Any

from chat.acts import Act
from chat.errors import id_reused

_ACT = """
INSERT INTO moderation_acts (broadcast_id, act, comment_id, account_id, detail, actor_id, reason, at, client_message_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (actor_id, broadcast_id, client_message_id) WHERE client_message_id IS NOT NULL DO NOTHING
"""
_FIRST = """
SELECT act, comment_id, account_id, detail FROM moderation_acts
WHERE actor_id = $1 AND broadcast_id = $2 AND client_message_id = $3
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
    detail_tells: bool = False,
) -> bool:
    """Add one row to the record of acts, in the caller's transaction; say whether this act is new.

    Call it before what the act changes: a racing repeat then waits here until the first is committed or undone, and
    one that is not new must change nothing, as somebody may have decided otherwise since.

    Raises CommandRefused `idempotency_conflict` where the id was that of another act: of another name, comment or
    account, or where `detail_tells` of another detail.
    """
    done = await connection.execute(
        _ACT, broadcast_id, name, comment_id, account_id, detail, act.actor_id, act.reason, act.at,
        act.client_message_id,
    )  # fmt: skip
    if done == "INSERT 0 1":
        return True
    first = await connection.fetchrow(_FIRST, act.actor_id, broadcast_id, act.client_message_id)
    same = (first["act"], first["comment_id"], first["account_id"]) == (name, comment_id, account_id)
    if not same or (detail_tells and first["detail"] != detail):
        raise id_reused()
    return False
