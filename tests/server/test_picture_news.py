"""A viewer is told of its own picture, staff of a publisher that sends too much; nobody else is."""

import asyncio
import json
from datetime import UTC, datetime

from chat.broker_memory import MemoryBroker, MemoryHub
from chat.envelope import Sealed, unseal
from server.picture_news import PictureNews
from streaming.media_events import MediaEvent, PictureResumed, PictureWithheld, PublisherLimited, ViewerJoined
from tests.streaming.harness import eventually

AT = datetime(2026, 1, 1, tzinfo=UTC)


class NotingBroker(MemoryBroker):
    """Notes what is published."""

    def __init__(self) -> None:
        super().__init__(MemoryHub())
        self.noted: list[Sealed] = []

    async def publish(self, broadcast_id: str, sealed: Sealed) -> None:
        self.noted.append(sealed)


async def test_the_news_reach_whom_they_concern() -> None:
    broker = NotingBroker()
    news = PictureNews(broker)
    events: list[MediaEvent] = [
        PictureWithheld("bc_1", "ac_anna", "r", AT),
        ViewerJoined("bc_1", "ac_bert", "r", AT),
        PictureResumed("bc_1", "ac_anna", "r", AT),
        PublisherLimited("bc_1", "r", AT, True, 6_000_000),
    ]
    for event in events:
        news.on_event(event)
    running = asyncio.create_task(news.run())
    await eventually("all are told", lambda: len(broker.noted) == 3)
    running.cancel()
    told = [unseal(sealed.data)[0] for sealed in broker.noted]
    assert [(one.to, one.audience) for one in told] == [("ac_anna", "all"), ("ac_anna", "all"), (None, "staff")]
    assert [json.loads(bytes(one.event)) for one in told] == [
        {"type": "picture", "withheld": True},
        {"type": "picture", "withheld": False},
        {"type": "publisher_limit", "limited": True, "limit_bps": 6_000_000},
    ]
