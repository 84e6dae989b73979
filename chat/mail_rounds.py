"""Hands out what open rooms have to say, one mail after the other in each. I/O through ports."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence

from chat.audience import Member
from chat.close_codes import CloseCode
from chat.errors import Unavailable
from chat.open_room import OpenRoom
from chat.room import Room
from chat.subscription import Subscription

log = logging.getLogger(__name__)

# A fan-out goes out in slices of about 2 ms, so that reading and joining are never held up for long.
SLICE = 256
_ASK_AGAIN_S = 0.25

FannedOut = Callable[[Sequence[str], int, float], None]
"""Told of a frame whose events belong to traces: their `traceparent`s, people in the room, seconds of the fan-out."""


class MailRounds:
    """Two tasks a room, in one TaskGroup: one speaks, the other fills holes, so that neither waits for the other."""

    def __init__(
        self, subscription: Subscription, now_s: Callable[[], float], fanned_out: FannedOut | None = None
    ) -> None:
        self._subscription = subscription
        self._now_s = now_s
        self._fanned_out = fanned_out
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, already_open: Iterable[OpenRoom]) -> None:
        """Hand out until cancelled, for these rooms and for those that `begin` is told of."""
        async with asyncio.TaskGroup() as self._tasks:
            for opened in already_open:
                self.begin(opened)
            await asyncio.Event().wait()

    def begin(self, opened: OpenRoom) -> None:
        """Speak in a room from now on; before `run` this does nothing."""
        if self._tasks is not None:
            work = (self._speak(opened), self._keep_whole(opened))
            opened.tasks = [self._tasks.create_task(each) for each in work]

    async def _speak(self, opened: OpenRoom) -> None:
        """Mail what is due in a room; the next mail is taken when the last has gone out, which keeps the order."""
        while True:
            await opened.noted.wait()
            try:
                await self._speak_once(opened)
            except Exception:
                # The boundary of one room: what broke here must not end the others.
                log.exception("a mail of room %s failed", opened.room.broadcast_id)
                opened.lose_mail()
                await asyncio.sleep(_ASK_AGAIN_S)

    async def _keep_whole(self, opened: OpenRoom) -> None:
        """Make up for what the room missed; what cannot be had now is asked for again."""
        while True:
            await opened.unwhole.wait()
            opened.unwhole.clear()
            try:
                await self._subscription.catch_up(opened)
                continue
            except Unavailable:
                log.warning("room %s waits for what it missed", opened.room.broadcast_id)
            except Exception:
                log.exception("room %s could not be made whole", opened.room.broadcast_id)
            opened.unwhole.set()
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _speak_once(self, opened: OpenRoom) -> None:
        coalescer = opened.room.coalescer
        due_s = coalescer.due_s()
        if due_s is None:
            opened.noted.clear()
            return
        if due_s > (now_s := self._now_s()):
            await _wait(opened.filled, due_s - now_s)
        opened.filled.clear()
        began_s = self._now_s()
        traces = opened.room.take_traces()
        await self._hand_out(opened, began_s)
        took_s = self._now_s() - began_s
        coalescer.spent(took_s)
        if traces and self._fanned_out is not None:
            self._fanned_out(traces, len(opened.room), took_s)

    async def _hand_out(self, opened: OpenRoom, now_s: float) -> None:
        room = opened.room
        mailings = room.mail(now_s)
        opened.mailed.set()
        opened.mailed = asyncio.Event()
        ending = room.members if room.over else ()
        for mailing in mailings:
            some_left = True
            while some_left:
                some_left = mailing.pass_on(SLICE)
                await asyncio.sleep(0)
        await _dismiss(room, ending)


async def _wait(filled: asyncio.Event, at_most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await filled.wait()


async def _dismiss(room: Room, members: tuple[Member, ...]) -> None:
    for i, member in enumerate(members):
        member.dismiss(CloseCode.BROADCAST_OVER)
        room.remove(member)
        if i % SLICE == SLICE - 1:
            await asyncio.sleep(0)
