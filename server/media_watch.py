"""Ends media whose broadcast is no longer on the air, whichever process it was ended in. Does I/O through its ports."""

import asyncio
from dataclasses import dataclass

import structlog

from streaming.broadcast import BroadcastStore
from streaming.engine import MediaEngine
from streaming.lifecycle import PUBLISHABLE

log = structlog.get_logger("media_watch")
_EVERY_S = 0.4  # a cut in another process ends media here well within its second


@dataclass(frozen=True)
class MediaWatch:
    """Run as one task in each process that has media.

    The move itself ends media at once where it is made; this catches what that could not reach: another process, a
    session that was being opened meanwhile, a move whose consequences were cut off.
    """

    engine: MediaEngine
    store: BroadcastStore

    async def run(self) -> None:
        """Look again and again until cancelled; while Postgres is away, media that runs goes on."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.look()
            except Exception as error:  # the boundary of a periodic task: it is tried again
                log.warning("media_watch_waits", error=type(error).__name__)

    async def look(self) -> None:
        """End every broadcast here that is not rehearsing, live or paused."""
        here = self.engine.broadcast_ids()
        if not here:
            return
        states = await self.store.states(here)
        for broadcast_id in here:
            state = states.get(broadcast_id)
            if state not in PUBLISHABLE:
                self.engine.end_broadcast(broadcast_id, str(state or "unknown"))
