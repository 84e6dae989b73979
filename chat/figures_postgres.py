"""A show's figures in Postgres. Talks to Postgres."""

from collections.abc import Collection
from datetime import datetime

import asyncpg

from chat.attendance import Totals
from chat.figures import Figures
from chat.postgres_work import transaction
from chat.stays import Stay

_KEEP = """
INSERT INTO room_views AS kept (broadcast_id, gateway_id, views, watched_ms, hidden_ms, hidden_now, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (broadcast_id, gateway_id) DO UPDATE SET
    views = greatest(kept.views, excluded.views), watched_ms = greatest(kept.watched_ms, excluded.watched_ms),
    hidden_ms = greatest(kept.hidden_ms, excluded.hidden_ms), hidden_now = excluded.hidden_now,
    seen_at = excluded.seen_at
"""
_PEAK = """
INSERT INTO room_peaks AS kept (broadcast_id, peak_online, peak_at) VALUES ($1, $2, $3)
ON CONFLICT (broadcast_id) DO UPDATE SET peak_online = excluded.peak_online, peak_at = excluded.peak_at
WHERE excluded.peak_online > kept.peak_online
"""
_STAY = """
INSERT INTO room_stays AS kept (broadcast_id, gateway_id, account_id, entered_at, left_at)
SELECT $1, $2, * FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[])
ON CONFLICT (broadcast_id, account_id, entered_at) DO UPDATE SET left_at = coalesce(excluded.left_at, kept.left_at)
"""
_READ = """
SELECT coalesce(sum(views), 0)::bigint AS views, coalesce(sum(watched_ms), 0)::bigint / 1000 AS watched_s,
       coalesce(sum(hidden_ms), 0)::bigint / 1000 AS background_s,
       coalesce(sum(hidden_now) FILTER (WHERE seen_at > clock_timestamp() - interval '15 s'), 0)::bigint AS background,
       (SELECT count(*) FROM room_visitors WHERE broadcast_id = $1) AS visitors
FROM room_views WHERE broadcast_id = $1
"""
_TALK = """
SELECT count(*) FILTER (WHERE verdict <> 'block') AS comments,
       count(*) FILTER (WHERE kind = 'question' AND audience = 'all' AND removed_at IS NULL) AS questions,
       count(*) FILTER (WHERE kind = 'question' AND audience = 'all' AND removed_at IS NULL AND NOT EXISTS (
           SELECT 1 FROM picked_questions q WHERE q.comment_id = comments.comment_id AND q.answered_at IS NOT NULL
       )) AS questions_unanswered
FROM comments WHERE broadcast_id = $1
"""


class PostgresFigures:
    """Each process writes rows of its own, so nothing is lost or counted twice between gateways."""

    def __init__(self, pool: asyncpg.Pool, *, timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def keep(
        self, broadcast_id: str, writer_id: str, totals: Totals, visitors: set[str], stays: Collection[Stay],
        peak_online: int, at: datetime,
    ) -> None:  # fmt: skip
        """As the port says."""
        async with transaction(self._pool, self._timeout_s, "figures") as connection:
            await connection.execute(
                _KEEP, broadcast_id, writer_id, totals.views, totals.watched_ms, totals.hidden_ms, totals.hidden_now
            )
            if visitors:
                # Sorted, so that two gateways with the same people never wait for each other in a circle.
                await connection.execute(
                    "INSERT INTO room_visitors SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
                    broadcast_id,
                    sorted(visitors),
                )
            if stays:
                ordered = sorted(stays, key=lambda stay: (stay.account_id, stay.entered_at))
                await connection.execute(
                    _STAY, broadcast_id, writer_id, [stay.account_id for stay in ordered],
                    [stay.entered_at for stay in ordered], [stay.left_at for stay in ordered],
                )  # fmt: skip
            if peak_online:
                await connection.execute(_PEAK, broadcast_id, peak_online, at)

    async def read(self, broadcast_id: str) -> Figures:
        """As the port says."""
        async with transaction(self._pool, self._timeout_s, "figures") as connection:
            row = await connection.fetchrow(_READ, broadcast_id)
            talk = await connection.fetchrow(_TALK, broadcast_id)
            peak = await connection.fetchrow(
                "SELECT peak_online, peak_at FROM room_peaks WHERE broadcast_id = $1", broadcast_id
            )
        peaked = {"peak_online": 0, "peak_at": None} if peak is None else dict(peak)
        return Figures(**dict(row), **dict(talk), **peaked)
