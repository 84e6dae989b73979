"""What changes during a broadcast: a viewer's network, the publisher's codec; and what is left once sessions end."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable

import pytest

from load_tests.bench.signalling import HEADERS, post_offer
from load_tests.bench.webrtc_client import ConnectFailed, Identity, WebRtcClient
from streaming.media_events import PublisherGone, ViewerJoined, ViewerLeft
from streaming.media_settings import MediaSettings
from streaming.peer import Peer
from streaming.sdp_fragment import parse_fragment
from streaming.viewer import Viewer
from tests.streaming.aiortc_clients import publish, watch
from tests.streaming.harness import PATIENCE_S, Station, eventually, station

IDENTITY = Identity()


class LeanViewer:
    """A viewer that knows VP8 only and counts the datagrams of media that reach its socket."""

    def __init__(self) -> None:
        self.packets = 0
        self.client = WebRtcClient(IDENTITY, self._count)
        self.resource_id = ""

    def _count(self, _: memoryview) -> None:
        self.packets += 1

    async def join(self, show: Station, connects: bool = True) -> None:
        before = set(show.engine._resources._held)
        answer = await post_offer(show.http, f"{show.base_url}/whep/show", self.client, "recvonly")
        (self.resource_id,) = set(show.engine._resources._held) - before
        if connects:
            await self.client.connect(answer, PATIENCE_S)


async def test_media_stay_on_the_old_pair_until_the_new_one_is_nominated() -> None:
    async with station() as show:
        show.http.headers.update(HEADERS)
        host = await publish(show)
        viewer = LeanViewer()
        await viewer.join(show)
        await eventually("media flow", lambda: viewer.packets > 10)
        peer = next(iter(show.engine._relays["show"].viewers.values())).peer
        moved = LeanViewer()
        restart = f"a=ice-ufrag:{moved.client.ufrag}\r\na=ice-pwd:{moved.client.password}\r\n"
        answer = await show.engine.restart_ice(viewer.resource_id, parse_fragment(restart))
        seen = viewer.packets
        await eventually("the old pair still carries media", lambda: viewer.packets > seen + 10)
        assert moved.packets == 0
        assert len(list(peer.ice.ufrags)) == 2
        with pytest.raises(TimeoutError):  # its checks are answered and nominate; a second handshake never ends
            await moved.client.connect(answer.sdp, 0.5)
        await eventually("the new pair carries media", lambda: moved.packets > 10)
        assert peer.address == moved.client.address
        assert list(peer.ice.ufrags) == [parse_fragment(answer.sdp).ufrag]
        for client in (viewer.client, moved.client):
            client.close()
        await host.leave()


async def test_another_codec_reaches_who_can_decode_it_and_who_cannot_is_told_to_rejoin() -> None:
    async with station() as show:
        show.http.headers.update(HEADERS)
        first = await publish(show, video_codec="VP8")
        both, only_vp8 = await watch(show), LeanViewer()
        await only_vp8.join(show)
        await eventually("VP8 decodes", lambda: both.frames["video"] >= 10 and only_vp8.packets > 10)
        await first.leave()
        await eventually("the publisher is gone", lambda: bool(show.of_type(PublisherGone)))
        second = await publish(show, video_codec="H264")
        before = both.frames["video"]
        await eventually("H264 decodes", lambda: both.frames["video"] >= before + 20)
        (left,) = show.of_type(ViewerLeft)
        assert isinstance(left, ViewerLeft)
        assert (left.resource_id, left.reason) == (only_vp8.resource_id, "codec_changed")
        late = LeanViewer()
        with pytest.raises(ConnectFailed, match="flowing_codec_unsupported"):
            await late.join(show)
        assert show.engine.snapshot().broadcasts[0].video_codec == "H264"
        for client in (both, second):
            await client.leave()
        for lean in (only_vp8, late):
            lean.client.close()


async def _deleted(show: Station, viewers: list[LeanViewer]) -> None:
    for viewer in viewers:
        await show.engine.close(viewer.resource_id)


async def _banned(show: Station, viewers: list[LeanViewer]) -> None:
    assert show.engine.drop_person("bench") == len(viewers)


async def _terminated(show: Station, viewers: list[LeanViewer]) -> None:
    show.engine.end_broadcast("show", "terminated")


async def _by_themselves(show: Station, viewers: list[LeanViewer]) -> None:
    """Say nothing more, or never finish the handshake."""


async def _peer_closed(show: Station, viewers: list[LeanViewer]) -> None:
    for viewer in viewers:
        viewer.client.close()


End = Callable[[Station, list[LeanViewer]], Awaitable[None]]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (_deleted, "deleted"),
        (_banned, "banned"),
        (_terminated, "terminated"),
        (_peer_closed, "peer_closed"),
        (_by_themselves, "consent_expired"),
        (_by_themselves, "handshake_timeout"),
    ],
)
async def test_however_sessions_end_nothing_of_them_is_left(end: End, reason: str) -> None:
    settings = MediaSettings(bind_host="127.0.0.1", consent_timeout_s=1.0, handshake_timeout_s=1.0)
    async with station(settings if end is _by_themselves else MediaSettings(bind_host="127.0.0.1")) as show:
        show.http.headers.update(HEADERS)
        await _come_and_go(show, end, reason)
        before = _held(show)
        for _ in range(3):
            await _come_and_go(show, end, reason)
        assert _held(show) == before
        assert before["resources"] == before["routes"] == before["Peer"] == before["Viewer"] == 0


async def _come_and_go(show: Station, end: End, reason: str) -> None:
    """Eight viewers join, one of them restarts ICE, and all end."""
    joined, left = len(show.of_type(ViewerJoined)), len(show.of_type(ViewerLeft))
    viewers = [LeanViewer() for _ in range(8)]
    connects = reason != "handshake_timeout"
    for viewer in viewers:
        await viewer.join(show, connects)
    await show.engine.restart_ice(viewers[0].resource_id, parse_fragment(f"a=ice-ufrag:next\na=ice-pwd:{'p' * 22}"))
    if connects:
        await eventually("all have joined", lambda: len(show.of_type(ViewerJoined)) == joined + 8)
    await end(show, viewers)
    await eventually("all are gone", lambda: not len(show.engine._resources))
    reasons = [event.reason for event in show.of_type(ViewerLeft)[left:] if isinstance(event, ViewerLeft)]
    assert reasons == ([reason] * 8 if connects else [])
    if end is not _peer_closed:
        for viewer in viewers:
            viewer.client.close()
    await asyncio.sleep(0)


def _held(show: Station) -> dict[str, int]:
    """Everything that a session could leave behind, counted."""
    gc.collect()
    port, engine = show.engine._port, show.engine
    assert port is not None
    objects = gc.get_objects()
    streams = [line for relay in engine._relays.values() for line in (*relay._video.lines, relay._audio)]
    return {
        "resources": len(engine._resources) + engine._resources.half_open,
        "routes": len(port._by_ufrag) + len(port._by_address) + len(port._addresses),
        "viewers": sum(len(relay.viewers) for relay in engine._relays.values()),
        "lanes": sum(len(one.waiting) + len(one._flowing) + len(one._catching) for one in streams),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "Peer": sum(isinstance(one, Peer) for one in objects),
        "Viewer": sum(isinstance(one, Viewer) for one in objects),
    }
