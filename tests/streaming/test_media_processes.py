"""One broadcast in several media processes: over the publisher's limit, when it goes, when it drains, without Redis."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio
from aiohttp import web
from yarl import URL

from streaming.engine import MediaEngine
from streaming.media_directory_redis import LEASE_S, MediaDirectory
from streaming.media_settings import MediaSettings
from streaming.placement import MediaProcess, for_publisher, for_viewer, origin_of
from tests.streaming.aiortc_clients import Client, new_connection, publish, watch
from tests.streaming.harness import eventually
from tests.streaming.media_house import House, house, served

ONE_VIEWER = MediaSettings(bind_host="127.0.0.1", max_viewers=1, publisher_silent_s=1.0)


def process(name: str, **more: object) -> MediaProcess:
    return MediaProcess(process_id=name, address=f"http://{name}", max_viewers=10, **more)  # type: ignore[arg-type]


def names(processes: list[MediaProcess]) -> list[str]:
    return [one.process_id for one in processes]


def test_a_viewer_goes_to_the_publisher_then_to_who_has_the_stream_then_to_the_idlest() -> None:
    origin = process("origin", viewers=9, publishing=("show",), broadcasts=("show",))
    edge = process("edge", viewers=5, broadcasts=("show",))
    idle, busy = process("idle", viewers=1), process("busy", viewers=8)
    assert names(for_viewer("show", [busy, idle, edge, origin])) == ["origin", "edge", "idle", "busy"]
    full = process("origin", viewers=10, publishing=("show",), broadcasts=("show",))
    assert names(for_viewer("show", [full, busy, idle])) == ["idle", "busy", "origin"]


def test_publishers_who_come_at_once_meet_in_one_process_and_one_who_returns_finds_the_viewers() -> None:
    processes = [process(name) for name in ("a", "b", "c")]
    assert len({names(for_publisher("show", order))[0] for order in (processes, processes[::-1])}) == 1
    spread = {names(for_publisher(f"show-{number}", processes))[0] for number in range(60)}
    assert spread == {"a", "b", "c"}
    for watched in ("a", "b", "c"):
        known = [process(name, broadcasts=("show",) if name == watched else ()) for name in ("a", "b", "c")]
        assert names(for_publisher("show", known))[0] == watched


def test_nobody_is_sent_to_a_process_that_drains() -> None:
    processes = [process("old", draining=True, publishing=("show",)), process("new")]
    assert names(for_publisher("show", processes)) == names(for_viewer("show", processes)) == ["new"]
    assert origin_of("show", processes, "new") == processes[0]
    assert origin_of("show", processes, "old") is None


async def flows(client: Client, more: int = 15) -> None:
    """The client decodes on."""
    frames = client.frames["video"]
    await eventually("frames", lambda: client.frames["video"] >= frames + more)


async def test_viewers_over_the_limit_are_served_by_another_process_which_takes_the_packets_once(
    redis_client: redis.asyncio.Redis,
) -> None:
    async with house(redis_client, 3, ONE_VIEWER) as built:
        host = await publish(built.door)
        origin = built.of(host.location)
        viewers = [await watch(built.door, bearer=name) for name in ("anna", "bo", "chen")]
        assert built.of(viewers[0].location) is origin
        assert len({built.of(viewer.location).name for viewer in viewers}) == 3
        for viewer in viewers:
            await flows(viewer)
        status, text, headers = await built.door.post("/whep/show", await some_offer(), "dora")
        assert (status, "viewer_limit_reached" in text, headers["Retry-After"]) == (503, True, "5")
        edges = [one for one in built.rooms if one is not origin]
        assert (origin.legs.legs, origin.legs.leg_dropped) == (2, 0)
        assert all(edge.feeds.packets > 0 for edge in edges)
        sent = origin.legs.leg_packets
        await eventually("every packet is over", lambda: sum(edge.feeds.packets for edge in edges) >= sent)
        assert [await viewer.packets_lost() for viewer in viewers] == [0, 0, 0]
        mine = {"Authorization": "Bearer anna"}
        for viewer, status in zip(viewers, (200, 403, 403), strict=True):
            async with built.door.http.delete(built.door.base_url + viewer.location, headers=mine) as answer:
                assert answer.status == status
        for client in (host, *viewers):
            await client.leave()


async def some_offer() -> str:
    connection = new_connection()
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    await connection.close()
    return str(connection.localDescription.sdp)


@pytest.mark.parametrize("name", ["%2E%2E%2F%2E%2E%2F%2E%2E%2Fmetrics", "x%3Fy=1", "x%23y", "..", "%0A", ""])
async def test_a_name_that_no_process_gave_reaches_no_internal_route(
    redis_client: redis.asyncio.Redis, name: str
) -> None:
    """The name becomes part of an internal URL, and whoever asks has shown nothing yet but some bearer token."""
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", note)
    async with house(redis_client, 1) as built, served(application) as address:
        built.directory.learn(MediaProcess("md-9", address))
        url = URL(f"{built.door.base_url}/whep/show/md-9.{name}", encoded=True)
        async with built.door.http.delete(url, headers={"Authorization": "Bearer anybody"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "unknown_resource")
    assert asked == []


async def test_when_the_publishers_process_is_gone_it_comes_back_where_its_viewers_are(
    redis_client: redis.asyncio.Redis,
) -> None:
    async with house(redis_client, 2, ONE_VIEWER) as built:
        host, anna, bo = await publish(built.door), await watch(built.door), await watch(built.door, bearer="bo")
        origin, edge = built.of(host.location), built.of(bo.location)
        for viewer in (anna, bo):
            await flows(viewer)
        await origin.vanish()
        again = await publish(built.door)
        assert built.of(again.location) is edge
        await flows(bo)
        for client in (host, again, anna, bo):
            await client.leave()


async def test_a_process_that_drains_sends_everyone_to_the_others_first(redis_client: redis.asyncio.Redis) -> None:
    async with house(redis_client, 2) as built:
        host, anna = await publish(built.door), await watch(built.door)
        old = built.of(host.location)
        assert built.of(anna.location) is old
        await flows(anna)
        leaving = asyncio.create_task(old.membership.leave(old.engine, 2.0))
        await eventually("it is known", lambda: any(one.draining for one in built.directory.processes))
        again = await publish(built.door)
        returned = await watch(built.door)
        assert old not in (built.of(again.location), built.of(returned.location))
        await flows(returned)
        await leaving
        assert old.engine.snapshot().viewers == 0
        for client in (host, anna, again, returned):
            await client.leave()


async def test_without_redis_joins_use_what_was_known_last_and_streams_go_on(
    redis_client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(redis_client, 2, ONE_VIEWER) as built:
        host, anna, bo = await publish(built.door), await watch(built.door), await watch(built.door, bearer="bo")
        for viewer in (anna, bo):
            await flows(viewer)
        away = redis.asyncio.Redis(host="127.0.0.1", port=9)
        for directory in (built.directory, *(one.directory for one in built.rooms)):
            monkeypatch.setattr(directory, "_client", away)
        await asyncio.sleep(1.5)  # several beats fail
        for viewer in (anna, bo):
            await flows(viewer)
        await left(built, anna)
        await eventually("there is room", lambda: built.of(host.location).engine.snapshot().viewers == 0)
        chen = await watch(built.door, bearer="chen")
        await flows(chen)
        for client in (host, anna, bo, chen):
            await client.leave()
        await away.aclose()


async def left(built: House, client: Client) -> None:
    headers = {"Authorization": "Bearer anna"}
    async with built.door.http.delete(built.door.base_url + client.location, headers=headers) as answer:
        assert answer.status == 200


async def test_a_lease_that_is_not_kept_lapses_and_a_redis_without_data_empties_nothing_at_once(
    redis_client: redis.asyncio.Redis,
) -> None:
    now = [0.0]
    here, there = MediaDirectory(redis_client, lambda: now[0]), MediaDirectory(redis_client)
    await there.put(process("md-a"))
    await here.refresh()
    await redis_client.flushall()
    await here.refresh()
    assert names(here.processes) == ["md-a"]
    now[0] = LEASE_S
    await here.refresh()
    assert here.processes == []
    await there.put(process("md-b"))
    await here.refresh()
    await there.remove("md-b")
    await here.refresh()
    assert names(there.processes) == ["md-a"]


async def test_an_engine_without_publisher_offers_no_leg() -> None:
    engine = MediaEngine(MediaSettings(bind_host="127.0.0.1"), lambda _: None)
    await engine.start()

    class Nowhere:
        def take(self, *_: object) -> None: ...

        def closed(self) -> None: ...

    assert engine.tap("show", Nowhere()) is False
    await engine.stop()
