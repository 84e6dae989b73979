"""A ban ends the account's WHEP sessions, by real acts in Postgres and a real engine."""

from datetime import UTC, datetime

import asyncpg

from chat.moderation_postgres import PostgresModeration
from chat.moderation_store import Act
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import EVERYWHERE, Restriction, Restrictions
from streaming.media_events import ViewerJoined, ViewerLeft
from tests.streaming.aiortc_clients import publish, watch
from tests.streaming.harness import eventually, station


async def test_a_ban_ends_the_accounts_sessions_in_every_broadcast_and_nobody_elses(pool: asyncpg.Pool) -> None:
    store = PostgresModeration(pool)
    async with station() as show:
        feed = RestrictionFeed(store, Restrictions())
        feed.on_ban(show.engine.drop_person)
        await feed.refresh()
        host = await publish(show)
        viewers = [await watch(show, bearer=name) for name in ("anna", "bert")]
        await eventually("both have joined", lambda: len(show.of_type(ViewerJoined)) == 2)
        act = Act("ac_monitor", "abuse", datetime.now(UTC))
        await store.restrict(Restriction("ban", EVERYWHERE, "bert", None), "bc_1", act, lifts=False)
        await feed.refresh()
        left = [event for event in show.of_type(ViewerLeft) if isinstance(event, ViewerLeft)]
        assert [(event.viewer_id, event.reason) for event in left] == [("bert", "banned")]
        await feed.refresh()
        assert len(show.of_type(ViewerLeft)) == 1
        for client in (*viewers, host):
            await client.leave()
