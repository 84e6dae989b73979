"""What is counted stays right when a gateway is killed and Redis forgets everything: real processes, real stores."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis.asyncio

from load_tests.room_client import Refused
from server.demo.bank import OWN_ID
from tests.journey.serving import Guest, in_the_room, serving
from tests.journey.test_survival import on_air, seeded_url  # noqa: F401 - a fixture

pytestmark = pytest.mark.timeout(240)

GATEWAY_ONLY = '["api", "gateway"]'
GHOST_S = 15
SLACK = 5


async def likes(guest: Guest, *counts: int) -> None:
    """Say cumulative counts one after the other."""
    for count in counts:
        await guest.room.send({"type": "like", "count": count})


async def open_poll(host: Guest) -> str:
    await host.room.request({"type": "poll.open", "question": "想听什么", "options": ["债券", "基金"]})
    return str((await host.told.of("poll"))["poll"]["poll_id"])


async def vote(guest: Guest, poll_id: str, choice: int) -> str:
    """Vote; return what came of it."""
    try:
        ack = await guest.room.request({"type": "vote", "poll_id": poll_id, "choice": choice})
    except Refused as refused:
        return refused.code
    return str(ack["verdict"])


async def counted(host: Guest) -> dict[str, Any]:
    return await host.person.call("GET", f"/api/v1/broadcasts/{OWN_ID}/figures")


async def counted_when(host: Guest, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(GHOST_S * SLACK):
        while True:
            if done(figures := await counted(host)):
                return figures
            await asyncio.sleep(0.2)


@pytest.mark.usefixtures("redis_url")
async def test_likes_and_votes_are_exact_whoever_is_killed_and_whatever_redis_forgets(
    seeded_url: str,  # noqa: F811
    redis_url: str,
) -> None:
    async with serving(seeded_url, redis_url) as first, on_air(first) as host:
        async with (
            serving(seeded_url, redis_url, roles=GATEWAY_ONLY) as second,
            in_the_room(first, "mei") as (mei,),
            in_the_room(second, "bo") as (bo,),
        ):
            poll_id = await open_poll(host)
            await bo.told.of("poll")
            assert await vote(mei, poll_id, 0) == "done"
            await asyncio.gather(likes(mei, 3, 7, 7, 2), likes(bo, 1, 5))
            for guest in (mei, bo):
                await guest.told.of("likes", total=12)
            await likes(bo, 6)
            await mei.told.of("likes", total=13)
            await second.kill()  # within the second in which the last count was to be saved
        await forgets_everything(redis_url)
        async with in_the_room(first, "bo", "mei") as (bo, mei):
            # The page says its count again after every welcome, as docs/protocol.md asks; older news changes nothing.
            await likes(bo, 6, 4)
            await likes(mei, 8)
            await bo.told.of("likes", total=14)
            assert await vote(mei, poll_id, 1) == "already_voted"
            assert await vote(bo, poll_id, 1) == "done"
            await mei.told.of("poll_tally", votes=[1, 1])
    async with serving(seeded_url, redis_url) as third, in_the_room(third, "mei") as (mei,):
        snapshot = mei.told.welcome()["snapshot"]
        assert snapshot["likes"] == 14
        assert snapshot["talk"]["poll"]["votes"] == [1, 1]
        assert await vote(mei, poll_id, 1) == "already_voted"


async def forgets_everything(redis_url: str) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    await client.flushall()
    await client.aclose()


async def test_a_killed_gateway_leaves_no_ghost_and_a_shows_totals_survive_every_process(
    seeded_url: str,  # noqa: F811
    redis_url: str,
) -> None:
    async with serving(seeded_url, redis_url) as first, on_air(first) as host:
        async with (
            serving(seeded_url, redis_url, roles=GATEWAY_ONLY) as second,
            in_the_room(first, "mei"),
            in_the_room(second, "bo", "xin"),
        ):
            kept = await counted_when(
                host, lambda f: f["peak_online"] == 5 and f["visitors"] == 3 and f["watched_s"] > 0
            )
            host.told.events.clear()
            await second.kill()
            killed_s = time.monotonic()
            await host.told.of("presence", online=3)
            print(f"ghosts gone after {time.monotonic() - killed_s:.1f} s, promised within {GHOST_S}")
        kept = await counted(host)
        await first.kill()
    await forgets_everything(redis_url)
    async with serving(seeded_url, redis_url) as third, in_the_room(third, "zhoumin", "linxiao", "mei") as (_, host, _):
        again = await counted_when(host, lambda f: f["watched_s"] > kept["watched_s"])
        assert (again["views"], again["visitors"], again["peak_online"]) == (kept["views"] + 1, 3, 5)
        assert again["peak_at"] == kept["peak_at"]
