"""What crosses from streaming to a page of the room: a picture left out, a publisher over its limit."""

import asyncio
from dataclasses import dataclass, field

import structlog

from chat.broker import Broker
from chat.envelope import Sealed, seal
from chat.errors import Unavailable
from chat.events import PictureChanged, PublisherLimitChanged
from streaming.media_events import MediaEvent, PictureResumed, PictureWithheld, PublisherLimited

log = structlog.get_logger("picture_news")
_QUEUE = 1_024
_PUBLISH_TIMEOUT_S = 2


@dataclass
class PictureNews:
    """Takes the engine's events in order; run as one task of the owner's TaskGroup.

    The queue is bounded and the newest is dropped: the page sees what happens to its picture anyway, and is told again
    by the next change.
    """

    broker: Broker
    _queue: "asyncio.Queue[tuple[str, Sealed]]" = field(default_factory=lambda: asyncio.Queue(_QUEUE))

    def on_event(self, event: MediaEvent) -> None:
        """Take an event from the engine; never blocks."""
        if isinstance(event, PictureWithheld | PictureResumed):
            sealed = seal(PictureChanged(isinstance(event, PictureWithheld)), to=event.viewer_id)
        elif isinstance(event, PublisherLimited):
            sealed = seal(PublisherLimitChanged(event.limited, event.limit_bps), audience="staff")
        else:
            return
        try:
            self._queue.put_nowait((event.broadcast_id, sealed))
        except asyncio.QueueFull:
            log.warning("picture_news_dropped", broadcast_id=event.broadcast_id, kind=type(event).__name__)

    async def run(self) -> None:
        """Publish what comes until cancelled."""
        while True:
            broadcast_id, sealed = await self._queue.get()
            try:
                async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                    await self.broker.publish(broadcast_id, sealed)
            except (Unavailable, TimeoutError):
                log.warning("picture_news_not_told", broadcast_id=broadcast_id)
