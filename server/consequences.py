"""What follows from a broadcast's move: the room is told; when it is over, media ends and the card comes down."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from commerce.stage import Stage
from server.media_cuts import MediaCuts
from server.stream_state import StreamState
from streaming.broadcast import Broadcast, Transition
from streaming.engine import MediaEngine
from streaming.lifecycle import OVER

log = structlog.get_logger("consequences")
_TIMEOUT_S = 5


@dataclass(frozen=True)
class Consequences:
    """Carries the host's and the monitor's acts over to the room, to streaming and to commerce."""

    room: StreamState
    media: MediaEngine | None
    cuts: MediaCuts
    stage: Stage

    async def broadcast_moved(self, broadcast: Broadcast, made: Transition) -> None:
        """Do all of it side by side; one part's failure is logged and keeps none of the others back.

        The move is committed before: buying and signalling ask the broadcast's state themselves, so a card
        that could not be pulled here sells nothing.
        """
        steps: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("room", lambda: self.room.announce(broadcast, "none" if made.to_state in OVER else None))
        ]
        if made.to_state in OVER:
            if self.media is not None:
                self.media.end_broadcast(broadcast.broadcast_id, str(made.to_state))
            steps.append(("media", self.cuts.tell))
            steps.append(("stage", lambda: self._clear_stage(broadcast, made)))
        await asyncio.gather(*(self._bounded(name, step, broadcast) for name, step in steps))

    async def _clear_stage(self, broadcast: Broadcast, made: Transition) -> None:
        reason = str(made.to_state)
        await self.stage.pull_all(broadcast.broadcast_id, reason, made.actor_id, made.stream_time_ms)

    async def _bounded(self, name: str, step: Callable[[], Awaitable[object]], broadcast: Broadcast) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await step()
        except Exception:  # the boundary between a committed move and what follows from it
            log.exception("consequence_failed", what=name, broadcast_id=broadcast.broadcast_id)
