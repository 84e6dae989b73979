"""What is known of recordings' segments, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from streaming.recording_chain import SegmentSummary

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMEOUT_S = 5
# A row only ever grows: what was told late, or twice, changes nothing.
_PUT = """
INSERT INTO recording_segments AS kept (broadcast_id, number, previous_seal, seal, sealed_bytes, packets, gaps,
    dropped_packets, first_stream_time_ms, last_stream_time_ms, opened_at, ended)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (broadcast_id, number) DO UPDATE SET seal = excluded.seal, sealed_bytes = excluded.sealed_bytes,
    packets = excluded.packets, gaps = excluded.gaps, dropped_packets = excluded.dropped_packets,
    first_stream_time_ms = excluded.first_stream_time_ms, last_stream_time_ms = excluded.last_stream_time_ms,
    ended = excluded.ended
WHERE NOT kept.ended AND excluded.sealed_bytes >= kept.sealed_bytes
"""


class PostgresRecordings:
    """Keeps one row a segment."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def put(self, summaries: Sequence[SegmentSummary]) -> None:
        """Keep what is known of these segments, in one transaction."""
        async with self._pool.acquire(timeout=_TIMEOUT_S) as connection, connection.transaction():
            await connection.executemany(_PUT, [_row(summary) for summary in summaries], timeout=_TIMEOUT_S)

    async def seals(self, broadcast_id: str) -> dict[int, str]:
        """Read the last seals of segments that were closed in good order, by number."""
        rows = await self._pool.fetch(
            "SELECT number, seal FROM recording_segments WHERE broadcast_id = $1 AND ended",
            broadcast_id,
            timeout=_TIMEOUT_S,
        )
        return {row["number"]: row["seal"] for row in rows}


def _row(summary: SegmentSummary) -> tuple[object, ...]:
    return (
        summary.broadcast_id,
        summary.number,
        summary.previous_seal,
        summary.seal,
        summary.sealed_bytes,
        summary.packets,
        summary.gaps,
        summary.dropped_packets,
        summary.first_stream_time_ms,
        summary.last_stream_time_ms,
        _EPOCH + timedelta(microseconds=summary.opened_us),
        summary.ended,
    )
