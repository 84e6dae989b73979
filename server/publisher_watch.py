"""Tells rooms of a publisher whose media process died without a word. Does I/O through its ports."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from chat.ports import StreamClock
from server.watching import keep_looking
from streaming.directory_redis import PublisherDirectory, PublisherStatus

log = structlog.get_logger("publisher_watch")
_EVERY_S = 1.0


class OpenRooms(Protocol):
    """The rooms of this process."""

    def publishers(self) -> Mapping[str, PublisherStatus]:
        """What each open room was last told of its publisher."""

    def tell_publisher(self, broadcast_id: str, publisher: PublisherStatus, stream_time_ms: int | None) -> None:
        """Tell everyone in this process's room."""


class PublisherWatch:
    """Run as one task in each process that has rooms; every process tells its own people, nothing is published.

    A media process tells the rooms itself of what happens to its publishers. What it cannot tell is its own death:
    its lease in the directory lapses then, and what the directory says twice in a row the room is told.
    """

    def __init__(self, directory: PublisherDirectory, rooms: OpenRooms, clock: StreamClock) -> None:
        self._directory = directory
        self._rooms = rooms
        self._clock = clock
        self._differed: dict[str, PublisherStatus] = {}

    async def run(self) -> None:
        """Look every second until cancelled; while Redis is away nobody knows better than what was told."""
        await keep_looking("publisher_watch", self.look, self._differed.clear, _EVERY_S)

    async def look(self) -> None:
        """Compare what rooms were told with the directory, once."""
        told = self._rooms.publishers()
        if not told:
            return
        found = await self._directory.statuses(list(told))
        differing = {
            broadcast_id: found[broadcast_id] for broadcast_id in told if found[broadcast_id] != told[broadcast_id]
        }
        for broadcast_id, status in differing.items():
            # Once may be the moment between a media process's entry and its event, or a Redis that restarted.
            if self._differed.get(broadcast_id) == status:
                at_ms = await self._clock.stream_time_ms(broadcast_id)
                self._rooms.tell_publisher(broadcast_id, status, at_ms)
        self._differed.clear()
        self._differed.update(differing)
