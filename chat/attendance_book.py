"""Keeps every room's attendance of this process and hands it to the store. I/O only through its port."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime

from chat.attendance import Visits
from chat.errors import Unavailable
from chat.figures import FigureStore
from chat.stays import Stays

log = logging.getLogger(__name__)


class AttendanceBook:
    """`flush` is called every few seconds and at the end; a crash costs what came since."""

    def __init__(
        self, store: FigureStore, gateway_id: str, *, now_s: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        """`now_s` is monotonic; `now` is UTC, aware."""
        self._store = store
        self._gateway_id = gateway_id
        self._now_s = now_s
        self._now = now
        self._rooms: dict[str, Visits] = {}
        self._stays: dict[str, Stays] = {}
        self._where: dict[Hashable, str] = {}
        self._opened = 0
        self._flushing = asyncio.Lock()

    def enter(self, key: Hashable, broadcast_id: str, account_id: str, *, fresh: bool) -> None:
        """A viewer was let into a room."""
        visits = self._rooms.get(broadcast_id)
        if visits is None:
            self._opened += 1
            visits = self._rooms[broadcast_id] = Visits(f"{self._gateway_id}/{self._opened}")
            self._stays[broadcast_id] = Stays()
        self._where[key] = broadcast_id
        visits.enter(key, account_id, self._now_s(), fresh=fresh)
        self._stays[broadcast_id].enter(key, account_id, self._now())

    def hide(self, key: Hashable, *, hidden: bool) -> None:
        """A viewer's page went to the background or came back."""
        if (broadcast_id := self._where.get(key)) is not None:
            self._rooms[broadcast_id].hide(key, self._now_s(), hidden=hidden)

    def leave(self, key: Hashable) -> None:
        """A connection ended; those that never entered are nobody."""
        if (broadcast_id := self._where.pop(key, None)) is not None:
            self._rooms[broadcast_id].leave(key, self._now_s())
            self._stays[broadcast_id].leave(key, self._now())

    def note_online(self, online: Mapping[str, int]) -> None:
        """Take the sums over all gateways, by broadcast, for the peak."""
        for broadcast_id, count in online.items():
            if (visits := self._rooms.get(broadcast_id)) is not None:
                visits.peak_online = max(visits.peak_online, count)

    async def flush(self) -> None:
        """Hand over what is known; what the store does not take now is handed over the next time."""
        async with self._flushing:  # the last one may find the one before still at it
            for broadcast_id in list(self._rooms):
                await self._hand_over(broadcast_id)

    async def _hand_over(self, broadcast_id: str) -> None:
        visits, stays = self._rooms[broadcast_id], self._stays[broadcast_id]
        totals, new, peak = visits.totals(self._now_s()), visits.take_new(), visits.peak_online
        changed = stays.take()
        kept = False
        try:
            await self._store.keep(broadcast_id, visits.writer_id, totals, new, changed, peak, self._now())
            kept = True
        except Unavailable:
            log.warning("figures of %s wait for the next time", broadcast_id)
            return
        finally:  # however it ended: whoever hands over next has them again
            if not kept:
                visits.give_back(new)
                stays.give_back(changed)
        if visits.empty and stays.empty and totals == visits.totals(self._now_s()):
            # A later visitor begins rows of their own.
            del self._rooms[broadcast_id], self._stays[broadcast_id]
