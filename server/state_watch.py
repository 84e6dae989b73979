"""Tells rooms of a broadcast's move that nobody told them of. Does I/O through its ports."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from chat.broadcast_states import OVER
from chat.ports import StreamClock
from server.watching import keep_looking

log = structlog.get_logger("state_watch")
_EVERY_S = 0.4  # as for media: everyone is out within the second, also where the cut was told to nobody


class States(Protocol):
    """Where broadcasts are kept."""

    async def states(self, broadcast_ids: tuple[str, ...]) -> Mapping[str, str]:
        """The states of those there are; may raise while the store is away."""


class OpenRooms(Protocol):
    """The rooms of this process."""

    def states(self) -> Mapping[str, str]:
        """What each open room was last told of its broadcast."""

    def tell_state(self, broadcast_id: str, state: str, stream_time_ms: int | None) -> None:
        """Tell everyone in this process's room; where it is over they are sent away."""


class StateWatch:
    """Run as one task in each process that has rooms; every process tells its own people, nothing is published.

    Whoever makes a move tells the rooms over Redis, which is quick. It may die right after the commit, though, or
    Redis be away: the truth is in Postgres, and what it says the room is told. What is over is told at once, for it
    never comes back; any other state when it was seen twice, as one look may fall between a move and its event.
    """

    def __init__(self, store: States, rooms: OpenRooms, clock: StreamClock) -> None:
        self._store = store
        self._rooms = rooms
        self._clock = clock
        self._differed: dict[str, str] = {}

    async def run(self) -> None:
        """Look again and again until cancelled; while Postgres is away nobody knows better than what was told."""
        await keep_looking("state_watch", self.look, self._differed.clear, _EVERY_S)

    async def look(self) -> None:
        """Compare what rooms were told with what is kept, once."""
        told = self._rooms.states()
        if not told:
            return
        found = await self._store.states(tuple(told))
        differing = {
            broadcast_id: str(state) for broadcast_id, state in found.items() if str(state) != told[broadcast_id]
        }
        for broadcast_id, state in differing.items():
            if state in OVER or self._differed.get(broadcast_id) == state:
                at_ms = await self._clock.stream_time_ms(broadcast_id)
                log.warning("move_was_not_told", broadcast_id=broadcast_id, state=state)
                self._rooms.tell_state(broadcast_id, state, at_ms)
        self._differed.clear()
        self._differed.update(differing)
