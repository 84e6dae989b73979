"""Monitors seen while Redis could not be told of them, so that the sale still knows. Talks to Postgres."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from chat.errors import Unavailable
from chat.postgres_work import transaction
from chat.presence import Presence

_TIMEOUT_S = 3.0
_WHAT = "who is there"
_MOST_HEARD = 4_096
_NOTE = """
    INSERT INTO monitor_sightings (broadcast_id, account_id, seen_at)
    SELECT $1, account_id, now() FROM unnest($2::text[]) AS m(account_id) ORDER BY account_id
    ON CONFLICT (broadcast_id, account_id) DO UPDATE SET seen_at = EXCLUDED.seen_at"""
_SEEN = "SELECT seen_at FROM monitor_sightings WHERE broadcast_id = $1 AND account_id = $2"


class SightedPresence:
    """A Presence that goes on knowing its monitors while its medium is away.

    A gateway that cannot report writes the monitors it holds to Postgres instead, every few seconds; nothing is
    written while it can. Who asks and finds nobody, or cannot ask, looks there too: a monitor who is present stays
    so, and one who leaves meanwhile is missed in time. What was written in an earlier absence says nothing of this one.
    """

    def __init__(
        self,
        presence: Presence,
        pool: asyncpg.Pool,
        *,
        fresh_s: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`fresh_s`: whoever was seen this lately needs no second look. `now` is UTC, aware."""
        self._presence = presence
        self._pool = pool
        self._fresh = timedelta(seconds=fresh_s)
        self._now = now
        # When the medium last answered about each, and what.
        self._heard: dict[tuple[str, str], tuple[datetime, datetime | None]] = {}

    async def report(self, broadcast_id: str, gateway_id: str, connections: int, monitors: Sequence[str]) -> int:
        """As the port says."""
        try:
            return await self._presence.report(broadcast_id, gateway_id, connections, monitors)
        except Unavailable:
            if monitors:
                async with transaction(self._pool, _TIMEOUT_S, _WHAT) as connection:
                    await connection.execute(_NOTE, broadcast_id, sorted(monitors))
            raise

    async def online(self, broadcast_id: str) -> int:
        """As the port says."""
        return await self._presence.online(broadcast_id)

    async def monitor_last_seen(self, broadcast_id: str, account_id: str) -> datetime | None:
        """As the port says; raises Unavailable only while neither medium answers.

        None also where the medium is away and no gateway has told of this absence yet, unless they had gone before.
        """
        who = broadcast_id, account_id
        try:
            seen = await self._presence.monitor_last_seen(broadcast_id, account_id)
        except Unavailable:
            return self._while_away(self._heard.get(who), await self._sighted(broadcast_id, account_id))
        now = self._now()
        if len(self._heard) >= _MOST_HEARD:
            self._heard.clear()
        self._heard[who] = now, seen
        if seen is not None and now - seen < self._fresh:
            return seen
        try:
            sighted = await self._sighted(broadcast_id, account_id)
        except Unavailable:
            return seen
        if sighted is None or (seen is None and now - sighted >= self._fresh):
            return seen
        return sighted if seen is None else max(seen, sighted)

    def _while_away(self, heard: tuple[datetime, datetime | None] | None, sighted: datetime | None) -> datetime | None:
        """What a sighting says while the medium does not answer, of which was last heard so."""
        answered, seen = heard or (self._now(), None)
        if sighted is not None and sighted >= answered - self._fresh:
            return sighted
        return seen if seen is not None and answered - seen >= self._fresh else None

    async def _sighted(self, broadcast_id: str, account_id: str) -> datetime | None:
        async with transaction(self._pool, _TIMEOUT_S, _WHAT) as connection:
            seen: datetime | None = await connection.fetchval(_SEEN, broadcast_id, account_id)
        return seen
