"""A process's place in the directory: says every second how its media stands, and learns of the others. Does I/O."""

import asyncio
from collections.abc import Awaitable, Callable

import redis.exceptions
import structlog

from streaming.engine import MediaEngine
from streaming.media_directory_redis import MediaDirectory
from streaming.placement import MediaProcess

log = structlog.get_logger("media_membership")
_SAY_S = 1.0
_SAY_FIRST_S = 0.1
_LEARN_S = 0.5
_KNOWN_WITHIN_S = 1.0
"""Others have learnt of a change by then."""
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)


class Membership:
    """`say` runs in a process that has media, `learn` wherever media is looked for; both until cancelled."""

    def __init__(self, directory: MediaDirectory, process_id: str, max_viewers: int) -> None:
        self._directory = directory
        self._process_id = process_id
        self._max_viewers = max_viewers
        self._draining = False
        self._left = False
        self._address = ""
        self._away = False
        self.listed = False
        """Whether the others could learn of this process."""

    async def say(self, engine: MediaEngine) -> None:
        """Keep the lease; what changed is said within a second."""
        while _going_on():
            if engine.running and not self._left:
                said = await self._bounded(lambda: self._directory.put(self._standing(engine)))
                self.listed = self.listed or said
            await asyncio.sleep(_SAY_S if self.listed else _SAY_FIRST_S)

    async def learn(self) -> None:
        """Keep the list of processes; while Redis is away the last one stands."""
        while _going_on():
            await self._bounded(self._directory.refresh)
            await asyncio.sleep(_LEARN_S)

    def found_at(self, address: str) -> None:
        """Where this process's internal routes answer; to be said before `say` runs."""
        self._address = address

    async def leave(self, engine: MediaEngine, over_s: float) -> None:
        """Take no one in any more, then send everyone away within `over_s` so that they come back elsewhere."""
        self._draining = True
        await self._bounded(self._directory.refresh)
        await self._bounded(lambda: self._directory.put(self._standing(engine)))
        elsewhere = any(one.process_id != self._process_id and not one.draining for one in self._directory.processes)
        if engine.broadcast_ids() and elsewhere:
            await asyncio.sleep(_KNOWN_WITHIN_S)
            await engine.send_away(max(0.0, over_s - _KNOWN_WITHIN_S))
        self._left = True
        await self._bounded(lambda: self._directory.remove(self._process_id))

    def _standing(self, engine: MediaEngine) -> MediaProcess:
        stats = engine.snapshot()
        return MediaProcess(
            process_id=self._process_id,
            address=self._address,
            viewers=stats.viewers,
            max_viewers=self._max_viewers,
            draining=self._draining,
            publishing=tuple(row.broadcast_id for row in stats.broadcasts if row.publisher != "none"),
            broadcasts=tuple(row.broadcast_id for row in stats.broadcasts),
        )

    async def _bounded(self, step: Callable[[], Awaitable[None]]) -> bool:
        try:
            await step()
        except _AWAY as error:
            if not self._away:
                log.warning("media_directory_away", why=type(error).__name__)
            self._away = True
        else:
            self._away = False
        return not self._away


def _going_on() -> bool:
    """Whether this task was not told to end.

    Asked each time because redis-py sends through asyncio.wait_for, which before Python 3.12 can swallow a
    cancellation that comes as the send completes.
    """
    task = asyncio.current_task()
    return task is not None and not task.cancelling()
