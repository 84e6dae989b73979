"""What a gateway does again and again: ticks, heartbeats, figures. Talks to sockets and stores through others."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Set
from typing import Any

from chat.codec import encode_event
from chat.connection_events import Heartbeat
from chat.shared_frame import SharedFrame
from server.gateway.frames import text_frame
from server.gateway.options import GatewayOptions
from server.gateway.participant import Participant
from server.gateway.services import Services
from server.gateway.sockets import Sockets
from server.owned_tasks import together

log = logging.getLogger(__name__)

# Heartbeats and byes go out in slices, so that ten thousand writes never hold the loop in one piece.
SLICE = 500


class Pulse:
    """Runs a gateway's periodic work, each in a task of its own."""

    def __init__(
        self, options: GatewayOptions, services: Services, participants: Set[Participant], sockets: Sockets
    ) -> None:
        """Both sets are looked at anew with each beat and sweep."""
        self._options = options
        self._services = services
        self._participants = participants
        self._sockets = sockets
        self._resting = False

    def rest(self) -> None:
        """Begin nothing more, for the gateway signs off; the task stays its owner's to end."""
        self._resting = True

    async def run(self) -> None:
        """Beat until cancelled."""
        options, rooms, attendance = self._options, self._services.rooms, self._services.attendance
        work = (
            (options.times.like_tick_s, rooms.tick_likes),
            (options.times.presence_s, rooms.tick_presence),
            (options.heartbeat_s, self._beat),
            (options.ping_s / 2, self._sweep),
            (options.figures_s, attendance.flush),
            (options.times.presence_s, self._note_peak),
            (options.poll_tick_s, self._services.talk.tick_polls),
            (options.withdrawals_s, self._services.withdrawals.tell_owed),
        )
        await together(rooms.run(), *(self._every(period_s, one) for period_s, one in work))

    async def _every(self, period_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(period_s)
            if self._resting:
                continue
            try:
                await work()
            except Exception:
                # The boundary of a periodic task: it is tried again, one failure must not end the gateway.
                self._services.counters.internal_errors += 1
                log.exception("a periodic task failed; again in %.1f s", period_s)

    async def _note_peak(self) -> None:
        self._services.attendance.note_online(self._services.rooms.online())

    async def _beat(self) -> None:
        beat = encode_event(Heartbeat(int(time.time() * 1_000)))
        frame = SharedFrame([("must", beat)], text_frame)
        for i, participant in enumerate(list(self._participants)):
            if participant.joined:
                participant.offer(frame)
            if i % SLICE == SLICE - 1:
                await asyncio.sleep(0)

    async def _sweep(self) -> None:
        for i, connection in enumerate(list(self._sockets)):
            connection.sweep()
            if i % SLICE == SLICE - 1:
                await asyncio.sleep(0)
