"""Ends media whose broadcast or permission has ended, whichever process that was in. Does I/O through its ports."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.session_ends_postgres import SessionEnds
from server.ids import is_id
from streaming.broadcast import BroadcastStore
from streaming.engine import MediaEngine
from streaming.errors import UnknownResource
from streaming.lifecycle import PUBLISHABLE
from streaming.resources import Resource

log = structlog.get_logger("media_watch")
_EVERY_S = 0.4  # a cut of which nobody told us ends media here well within its second all the same


@dataclass(frozen=True)
class MediaWatch:
    """Run as one task in each process that has media.

    The move itself ends media at once where it is made, and other processes are told to look at once (`told`). The
    look catches what neither could reach: a session that was being opened meanwhile, a move whose consequences were
    cut off, a word that was lost with Redis, and rights that ended by themselves.
    """

    engine: MediaEngine
    store: BroadcastStore
    encoder_tokens: EncoderTokens
    session_ends: SessionEnds
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Look again and again until cancelled; while Postgres is away, media that runs goes on."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self.told.wait()
            self.told.clear()
            try:
                await self.look()
            except Exception as error:  # the boundary of a periodic task: it is tried again
                log.warning("media_watch_waits", error=type(error).__name__)

    async def look(self) -> None:
        """End every broadcast here that is not on the air, and every session whose right has ended."""
        await self._end_what_is_over()
        await self._end_revoked_encoders()
        await self._end_signed_out()

    async def _end_what_is_over(self) -> None:
        here = self.engine.broadcast_ids()
        if not here:
            return
        states = await self.store.states(here)
        for broadcast_id in here:
            state = states.get(broadcast_id)
            if state not in PUBLISHABLE:
                self.engine.end_broadcast(broadcast_id, str(state or "unknown"))

    async def _end_revoked_encoders(self) -> None:
        """Encoder tokens are asked for each time: they can be revoked, and there are as many as shows."""
        encoders = [one for one in self.engine.resources() if is_id(one.holder_id, "et")]
        if not encoders:
            return
        good = await self.encoder_tokens.in_force({one.holder_id for one in encoders}, self.now())
        self._end([one for one in encoders if one.holder_id not in good], "token_revoked")

    async def _end_signed_out(self) -> None:
        """A session's own token is the first answer; only when it has ended is asked whether there is a later one."""
        now_s = self.now().timestamp()
        due = [one for one in self.engine.resources() if one.until_s <= now_s and not is_id(one.holder_id, "et")]
        if not due:
            return
        latest = await self.session_ends.latest({(one.holder_id, one.broadcast_id) for one in due})
        ended = []
        for one in due:
            until_s = latest.get((one.holder_id, one.broadcast_id), 0.0)
            if until_s <= now_s:
                ended.append(one)
            else:
                with contextlib.suppress(UnknownResource):  # it left while Postgres was asked
                    self.engine.extend(one, until_s)
        self._end(ended, "token_expired")

    def _end(self, resources: list[Resource], reason: str) -> None:
        for resource in resources:
            with contextlib.suppress(UnknownResource):
                self.engine.end(resource, reason)
