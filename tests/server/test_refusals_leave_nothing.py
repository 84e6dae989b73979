"""What is refused is gone at once: an error that its own traceback keeps alive waits for the collector.

A process collects every 50,000 new objects only, and a refused request holds about a hundred.
"""

import asyncio
import gc
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
import redis.asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

import chat.errors
from chat.broker_redis import RedisBroker
from chat.comment_groups import CommentGroups
from chat.envelope import Sealed
from chat.single_flight import SingleFlight
from commerce.errors import Refusal, Unavailable
from commerce.grouping import Grouping
from server.auth.identities import LocalIdentities
from server.auth.tokens import Tokens
from server.http.application import build
from server.http.errors import ApiError


@pytest.fixture(autouse=True)
def without_a_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def refused(work: Awaitable[Any]) -> "weakref.ref[Exception]":
    try:
        await work
    except Exception as error:
        return weakref.ref(error)
    raise AssertionError("it was not refused")


async def test_an_order_that_is_refused_alone_or_with_its_group() -> None:
    async def work(items: Sequence[int], passed: Callable[[], None]) -> list[int | Exception]:
        if items[0]:
            raise Unavailable("unavailable", "the database is away")
        return [Refusal("quota_empty", "nothing is left")]

    grouping: Grouping[int, int] = Grouping(work, most=8, waiting_limit=8, wait_s=1)
    for item in (0, 1):
        left = await refused(grouping.do(item))
        await asyncio.sleep(0)  # the group's own task ends
        assert left() is None, item
    await grouping.aclose()


async def test_a_comment_that_cannot_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)  # what is captured would be kept

    async def insert(records: Sequence[Any]) -> list[Any]:
        raise chat.errors.Unavailable("away")

    groups = CommentGroups(insert)
    running = asyncio.create_task(groups.run())
    left = await refused(groups.store(None))  # type: ignore[arg-type]
    await asyncio.sleep(0)  # the group ends
    assert left() is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_read_that_fails_for_all_who_asked() -> None:
    flight: SingleFlight[int] = SingleFlight()

    async def build() -> int:
        await asyncio.sleep(0)
        raise chat.errors.Unavailable("away")

    for left in await asyncio.gather(*(refused(flight.run(build)) for _ in range(3))):
        assert left() is None


async def test_events_that_redis_cannot_be_told_of() -> None:
    client = redis.asyncio.Redis(unix_socket_path="/nonexistent/redis.sock", retry=Retry(NoBackoff(), 0))
    broker = RedisBroker(client)
    refusals = await asyncio.gather(*(refused(broker.publish("bc_a", Sealed(b"{}"))) for _ in range(3)))
    assert [left() for left in refusals] == [None] * 3
    await client.aclose()


async def test_a_request_that_is_answered_with_an_error_of_its_own() -> None:
    left: list[weakref.ref[Exception]] = []

    def noted(error: ApiError) -> ApiError:
        left.append(weakref.ref(error))
        return error

    async def refuse(request: web.Request) -> web.Response:
        raise noted(ApiError(409, "not_ready", "later"))

    application = build([web.get("/", refuse)], LocalIdentities(Tokens("s" * 32, 60)), ())
    async with TestClient(TestServer(application)) as client, client.get("/") as answer:
        assert answer.status == 409
        assert left[0]() is None
