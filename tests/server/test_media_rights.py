"""Media ends with the right to it: bans, closed accounts, revoked encoder tokens, ended sessions. Real parts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
import redis.asyncio
from aiohttp.test_utils import TestClient, TestServer

from chat.acts import Act
from chat.moderation_postgres import PostgresModeration
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import EVERYWHERE, Restriction, Restrictions
from server import media_watch
from server.auth.account_closing_postgres import AccountClosing
from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.identities import LocalIdentities
from server.auth.session_ends_postgres import SessionEnds
from server.http import config
from server.http.application import build
from server.media_cuts import MediaCuts
from server.media_watch import MediaWatch
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from streaming.engine import MediaEngine
from streaming.media_events import ViewerJoined, ViewerLeft
from tests.server.people import TOKENS, seed_people, session
from tests.streaming.aiortc_clients import publish, watch
from tests.streaming.harness import PATIENCE_S, eventually, station


async def test_a_ban_ends_the_accounts_sessions_in_every_broadcast_and_nobody_elses(pool: asyncpg.Pool) -> None:
    await seed_people(pool)
    store = PostgresModeration(pool)
    async with station() as show:
        feed = RestrictionFeed(store, Restrictions())
        feed.on_ban(show.engine.drop_person)
        await feed.refresh()
        host = await publish(show)
        viewers = [await watch(show, bearer=name) for name in ("anna", "ac_viewer")]
        await eventually("both have joined", lambda: len(show.of_type(ViewerJoined)) == 2)
        act = Act("ac_monitor", "abuse", datetime.now(UTC))
        await store.restrict(Restriction("ban", EVERYWHERE, "ac_viewer", None), "bc_1", act, lifts=False)
        await feed.refresh()
        left = [event for event in show.of_type(ViewerLeft) if isinstance(event, ViewerLeft)]
        assert [(event.viewer_id, event.reason) for event in left] == [("ac_viewer", "banned")]
        await feed.refresh()
        assert len(show.of_type(ViewerLeft)) == 1
        for client in (*viewers, host):
            await client.leave()


SHOW = "bc_show"


async def seed_show(pool: asyncpg.Pool) -> None:
    await seed_people(pool)
    draft = Draft("x", "", "ac_host", "ac_monitor", None)
    await PostgresBroadcasts(pool).create(SHOW, "ac_host", draft, datetime.now(UTC))
    await pool.execute("UPDATE broadcasts SET state = 'live'")


@asynccontextmanager
async def watched(
    engine: MediaEngine, pool: asyncpg.Pool, client: redis.asyncio.Redis | None = None
) -> AsyncIterator[None]:
    """Run the watch of a media process; acts reach it through Postgres, and by a word over Redis where there is one."""
    watch = MediaWatch(engine, PostgresBroadcasts(pool), EncoderTokens(pool, 60), SessionEnds(pool))
    tasks = [asyncio.create_task(watch.run())]
    if client is not None:
        tasks.append(asyncio.create_task(MediaCuts(client).run(watch.told.set)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_a_word_from_another_process_ends_what_is_over_at_once_and_nothing_else(
    pool: asyncpg.Pool, redis_client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_watch, "_EVERY_S", 3_600.0)  # the look that needs no word is far away
    await seed_show(pool)
    async with station() as show, watched(show.engine, pool, redis_client):
        client = await watch(show, SHOW, bearer="anna")
        async with asyncio.timeout(PATIENCE_S):
            while not dict(await redis_client.pubsub_numsub("wc:{media}:cuts")).get(b"wc:{media}:cuts"):  # noqa: ASYNC110  # Redis tells nobody
                await asyncio.sleep(0.02)
        elsewhere = MediaCuts(redis_client)
        await elsewhere.tell()
        await asyncio.sleep(0.3)
        assert holders(show.engine) == {"anna"}  # nothing was over
        await pool.execute("UPDATE broadcasts SET state = 'terminated'")
        told_s = time.monotonic()
        await elsewhere.tell()
        await eventually("the viewer's session has ended", lambda: not holders(show.engine))
        print(f"ended {(time.monotonic() - told_s) * 1_000:.0f} ms after the word")
        await client.leave()


async def test_words_are_heard_again_after_redis_cut_the_connection(redis_client: redis.asyncio.Redis) -> None:
    heard = asyncio.Event()
    listening = asyncio.create_task(MediaCuts(redis_client).run(heard.set))
    async with asyncio.timeout(PATIENCE_S):
        await heard.wait()  # what was said before it listened may have been missed
        heard.clear()
        await redis_client.client_kill_filter(_type="pubsub")
        await heard.wait()
        heard.clear()
        await MediaCuts(redis_client).tell()
        await heard.wait()
    listening.cancel()
    await asyncio.wait([listening])


def holders(engine: MediaEngine) -> set[str]:
    return {one.holder_id for one in engine.resources()}


async def test_revoking_an_encoder_token_ends_its_publisher_and_nobody_elses_session(pool: asyncpg.Pool) -> None:
    await seed_show(pool)
    tokens = EncoderTokens(pool, 60)
    await tokens.issue("et_1", SHOW, "ac_host", datetime.now(UTC))
    async with station() as show, watched(show.engine, pool):
        clients = [await publish(show, SHOW, bearer="et_1"), await watch(show, SHOW, bearer="anna")]
        await eventually("both are connected", lambda: show.engine.snapshot().viewers == 1)
        await asyncio.sleep(0.9)  # two looks, at which the token is good
        assert holders(show.engine) == {"et_1", "anna"}
        revoked_at = time.monotonic()
        await tokens.revoke("et_1", SHOW, datetime.now(UTC))
        await eventually("the publisher has ended", lambda: holders(show.engine) == {"anna"})
        print(f"ended {time.monotonic() - revoked_at:.2f} s after the token was revoked")
        for client in clients:
            await client.leave()


async def test_a_session_ends_with_its_token_unless_the_same_person_is_still_signed_in(pool: asyncpg.Pool) -> None:
    await seed_show(pool)
    ends = SessionEnds(pool)
    async with station() as show, watched(show.engine, pool):
        show.gate.until_s = time.time() + 1
        for who, scope, for_s in (
            ("anna", None, 600),
            ("bert", SHOW, 600),
            ("cleo", "bc_other", 600),
            ("dora", None, 1),
        ):
            await ends.note(who, scope, int(time.time()) + for_s)
        clients = [await watch(show, SHOW, bearer=who) for who in ("anna", "bert", "cleo", "dora", "emil")]
        await eventually("those without a good token have ended", lambda: holders(show.engine) == {"anna", "bert"})
        await asyncio.sleep(0.9)
        assert holders(show.engine) == {"anna", "bert"}
        assert all(one.until_s > time.time() + 60 for one in show.engine.resources())
        for client in clients:
            await client.leave()


async def test_a_later_token_never_shortens_an_earlier_one(pool: asyncpg.Pool) -> None:
    ends = SessionEnds(pool)
    await ends.note("anna", None, 2_000_000_000)
    await ends.note("anna", None, 1_900_000_000)
    assert await ends.latest({("anna", SHOW)}) == {("anna", SHOW): 2_000_000_000.0}


async def test_a_closed_account_is_out_of_everything_and_a_reopened_one_is_not(pool: asyncpg.Pool) -> None:
    await seed_show(pool)
    tokens, closing = EncoderTokens(pool, 60), AccountClosing(pool)
    issued = await tokens.issue("et_1", SHOW, "ac_host", datetime.now(UTC))
    restrictions, gone = Restrictions(), list[str]()
    feed = RestrictionFeed(PostgresModeration(pool), restrictions)
    feed.on_ban(gone.append)
    routes = config.routes(config.PageConfig(None, 1, None))
    app = build(
        routes, LocalIdentities(TOKENS), (), closed=lambda account_id: restrictions.closed(account_id, time.time())
    )
    async with TestClient(TestServer(app)) as client, station() as show:
        feed.on_ban(show.engine.drop_person)
        clients = [await publish(show, SHOW, bearer="ac_host"), await watch(show, SHOW, bearer="ac_viewer")]

        async def status() -> int:
            async with client.get("/api/v1/config", headers=session("host")) as response:
                return response.status

        await feed.refresh()
        assert await status() == 200
        act = {"actor": "ops", "reason": "left the bank"}
        assert await closing.close("host", **act, now=datetime.now(UTC))
        await feed.refresh()
        assert (gone, holders(show.engine), await status()) == (["ac_host"], {"ac_viewer"}, 401)
        assert restrictions.banned("ac_host", time.time())
        assert await tokens.known(issued.token, datetime.now(UTC)) is None
        lifted = Restriction("ban", EVERYWHERE, "ac_host", 0.0)
        await PostgresModeration(pool).restrict(lifted, SHOW, Act("m", "x", datetime.now(UTC)), lifts=True)
        await feed.refresh()
        assert await status() == 401, "a monitor's act opened a closed account"
        assert await closing.reopen("host", **act, now=datetime.now(UTC))
        await feed.refresh()
        assert await status() == 200
        for one in clients:
            await one.leave()
    assert not await closing.close("nobody", **act, now=datetime.now(UTC))
    kept = await pool.fetch("SELECT act, actor, reason FROM account_acts ORDER BY act_id")
    assert [tuple(row) for row in kept] == [("close", "ops", "left the bank"), ("reopen", "ops", "left the bank")]
