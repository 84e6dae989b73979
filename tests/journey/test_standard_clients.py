"""A WHIP encoder and a WHEP player that nobody here wrote pages for, with bearer tokens; and how fast a cut is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack

from load_tests.http_client import Person
from load_tests.show.whip_aiortc import offer_loopback
from server.demo.bank import OWN_ID
from server.demo.seed import seed
from tests.commerce.bank import DATA_KEYS
from tests.journey.serving import Server, in_the_room, serving
from tests.journey.test_survival import on_air

pytestmark = pytest.mark.timeout(180)
PATIENCE_S = 30.0
CUT_WITHIN_S = 5.0  # the promise is one second, and each test prints what it saw; a busy machine gets five


async def negotiate(peer: RTCPeerConnection, url: str, bearer: str) -> tuple[int, str]:
    """Post an offer as RFC 9725 says; return the status and the resource's address, or the problem's code."""
    await peer.setLocalDescription(await peer.createOffer())
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/sdp"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=peer.localDescription.sdp, headers=headers) as answer,
    ):
        if answer.status != 201:
            return answer.status, (await answer.json(content_type=None))["code"]
        assert answer.headers["ETag"]
        await peer.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
        return answer.status, answer.headers["Location"]


class Stopping:
    """A camera and a microphone that can be made to stop while their connection stays."""

    def __init__(self) -> None:
        self.goes = asyncio.Event()
        self.goes.set()

    def tracks(self) -> tuple[MediaStreamTrack, MediaStreamTrack]:
        goes = self.goes

        class Camera(VideoStreamTrack):
            async def recv(self) -> Any:
                await goes.wait()
                return await super().recv()

        class Microphone(AudioStreamTrack):
            async def recv(self) -> Any:
                await goes.wait()
                return await super().recv()

        return Camera(), Microphone()


@asynccontextmanager
async def connection() -> AsyncIterator[RTCPeerConnection]:
    offer_loopback()
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield peer
    finally:
        await peer.close()


def player(peer: RTCPeerConnection) -> "asyncio.Queue[MediaStreamTrack]":
    """Ask for video and audio; the tracks come as they are agreed."""
    tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
    peer.on("track", tracks.put_nowait)
    for kind in ("video", "audio"):
        peer.addTransceiver(kind, direction="recvonly")
    return tracks


async def encoder_token(person: Person) -> dict[str, Any]:
    return await person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/encoder-tokens")


@asynccontextmanager
async def a_show(database_url: str, redis_url: str) -> AsyncIterator[tuple[Server, Person, str]]:
    """A server on the air, its host, and an encoder's token."""
    await asyncio.to_thread(seed, database_url, DATA_KEYS)
    async with serving(database_url, redis_url) as server, on_air(server) as host:
        yield server, host.person, str((await encoder_token(host.person))["token"])


async def test_an_encoder_publishes_a_player_sees_its_stall_is_told_and_the_monitors_cut_ends_both(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        a_show(postgres_url, redis_url) as (server, _, token),
        in_the_room(server, "mei", "zhoumin") as (viewer, monitor),
        connection() as encoder,
        connection() as watching,
    ):
        source = Stopping()
        for track in source.tracks():
            encoder.addTrack(track)
        assert (await negotiate(encoder, f"{server.base}/whip/{OWN_ID}", token))[0] == 201
        tracks = player(watching)
        whep = f"{server.base}/whep/{OWN_ID}"
        assert (await negotiate(watching, whep, await viewer.person.token()))[0] == 201
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(2):
                track = await tracks.get()
                frame = await track.recv()
                assert frame.pts is not None
        await viewer.told.of("state", publisher="flowing")
        assert (await viewer.person.call("GET", f"/api/v1/broadcasts/{OWN_ID}"))["stream_time_ms"] > 0

        source.goes.clear()
        started = time.monotonic()
        await viewer.told.of("state", publisher="stalled")
        noticed_s = time.monotonic() - started
        print(f"stall: the room was told after {noticed_s:.1f} s")
        assert noticed_s < 5 * 3
        source.goes.set()

        ends = [closed(encoder), closed(watching)]
        started = time.monotonic()
        await monitor.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/moves", {"move": "terminate", "reason": "test"})
        assert (await viewer.told.of("bye"))["code"] == 4504
        told_s = time.monotonic() - started
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(end.wait() for end in ends))
        ended_s = time.monotonic() - started
        print(f"cut: room told after {told_s * 1000:.0f} ms, media ended after {ended_s:.2f} s")
        assert max(told_s, ended_s) < CUT_WITHIN_S
        async with connection() as late:
            late.addTransceiver("video", direction="recvonly")
            assert await negotiate(late, whep, await viewer.person.token()) == (409, "broadcast_over")


async def test_a_cut_made_in_another_process_ends_everyones_media_and_sockets_too(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        a_show(postgres_url, redis_url) as (server, _, token),
        serving(postgres_url, redis_url, roles='["api", "gateway"]') as other,
        in_the_room(other, "zhoumin", "bo") as (monitor, far),
        in_the_room(server, "mei") as (near,),
        connection() as encoder,
        connection() as watching,
    ):
        encoder.addTrack(VideoStreamTrack())
        assert (await negotiate(encoder, f"{server.base}/whip/{OWN_ID}", token))[0] == 201
        tracks = player(watching)
        assert (await negotiate(watching, f"{server.base}/whep/{OWN_ID}", await near.person.token()))[0] == 201
        async with asyncio.timeout(PATIENCE_S):
            await (await tracks.get()).recv()
        ends = [closed(encoder), closed(watching)]
        started = time.monotonic()
        await monitor.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/moves", {"move": "terminate"})
        for guest in (near, far):
            assert (await guest.told.of("bye"))["code"] == 4504
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(end.wait() for end in ends))
        took_s = time.monotonic() - started
        print(f"cut in another process: everyone is gone after {took_s:.2f} s")
        assert took_s < CUT_WITHIN_S


async def test_an_offer_that_arrives_after_the_cut_opens_nothing(postgres_url: str, redis_url: str) -> None:
    cut = asyncio.Event()

    async def slow_offer(sdp: str) -> AsyncIterator[bytes]:
        yield sdp[:10].encode()
        await cut.wait()
        yield sdp[10:].encode()

    async with (
        a_show(postgres_url, redis_url) as (server, _, token),
        in_the_room(server, "zhoumin") as (monitor,),
        connection() as encoder,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as tasks,
    ):
        encoder.addTrack(VideoStreamTrack())
        await encoder.setLocalDescription(await encoder.createOffer())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        offer = slow_offer(encoder.localDescription.sdp)
        posted = tasks.create_task(status_of(session, f"{server.base}/whip/{OWN_ID}", offer, headers))
        await asyncio.sleep(0.5)  # the gate has said yes by now, and the rest of the offer is under way
        await monitor.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/moves", {"move": "terminate"})
        cut.set()
        assert await posted == 409


async def status_of(
    session: aiohttp.ClientSession, url: str, body: AsyncIterator[bytes], headers: dict[str, str]
) -> int:
    async with session.post(url, data=body, headers=headers) as answer:
        return answer.status


def closed(peer: RTCPeerConnection) -> asyncio.Event:
    """Set when the peer's connection has ended."""
    ended = asyncio.Event()

    def look() -> None:
        if peer.connectionState in ("closed", "failed"):
            ended.set()

    peer.on("connectionstatechange", look)
    return ended


async def test_what_may_not_publish_or_watch_is_told_why_and_harms_nobody(postgres_url: str, redis_url: str) -> None:
    async with (
        a_show(postgres_url, redis_url) as (server, host, token),
        in_the_room(server, "mei") as (viewer,),
        connection() as encoder,
    ):
        encoder.addTrack(VideoStreamTrack())
        whip, mine = f"{server.base}/whip/{OWN_ID}", await viewer.person.token()
        assert (await negotiate(encoder, whip, token))[0] == 201
        for path, bearer, expected in (
            (f"whip/{OWN_ID}", token, (409, "publisher_exists")),
            (f"whip/{OWN_ID}", mine, (403, "forbidden")),
            (f"whip/{OWN_ID}", "wce_forged", (401, "bad_token")),
            (f"whep/{OWN_ID}", token, (401, "bad_token")),
            (f"whep/{OWN_ID}", "x.y.z", (401, "bad_token")),
            ("whep/bc_show", mine, (409, "not_live")),
            ("whep/bc_none", mine, (404, "no_such_broadcast")),
        ):
            async with connection() as other:
                other.addTransceiver("video", direction="recvonly" if path.startswith("whep") else "sendonly")
                assert await negotiate(other, f"{server.base}/{path}", bearer) == expected, path
        issued = await encoder_token(host)
        await host.call("DELETE", f"/api/v1/broadcasts/{OWN_ID}/encoder-tokens/{issued['token_id']}")
        async with connection() as late:
            late.addTrack(VideoStreamTrack())
            assert await negotiate(late, whip, issued["token"]) == (401, "bad_token")
        assert encoder.connectionState in ("connecting", "connected")
        assert server.process.returncode is None
