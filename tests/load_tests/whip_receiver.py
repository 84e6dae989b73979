"""A real WebRTC peer behind WHIP, for tests: answers an offer with aiortc and keeps the tracks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription


class WhipReceiver:
    """Takes one publisher at a time in the broadcast `bc_test`; every login is welcome."""

    def __init__(self) -> None:
        self.tracks: dict[str, MediaStreamTrack] = {}
        self.both_tracks = asyncio.Event()
        self.deleted = asyncio.Event()
        self.refusals = 0
        self.posts = 0
        self.peer: RTCPeerConnection | None = None

    def application(self) -> web.Application:
        """Serve sessions and WHIP."""
        app = web.Application()
        app.router.add_post("/api/v1/sessions", self._sign_in)
        app.router.add_post("/whip/bc_test", self._publish)
        app.router.add_delete("/whip/bc_test/r1", self._delete)
        return app

    async def close(self) -> None:
        """End the peer connection, if there is one."""
        if self.peer is not None:
            await self.peer.close()

    async def _sign_in(self, request: web.Request) -> web.Response:
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        return web.json_response({"token": "t", "expires_at": expires_at.isoformat()}, status=201)

    async def _publish(self, request: web.Request) -> web.Response:
        self.posts += 1
        if request.headers["Authorization"] != "Bearer t" or request.content_type != "application/sdp":
            return web.Response(status=401)
        if self.refusals > 0:
            self.refusals -= 1
            problem: dict[str, Any] = {"status": 409, "code": "publisher_exists", "detail": "taken"}
            return web.json_response(problem, status=409, headers={"Retry-After": "1"})
        await self.close()
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.on("track", self._take)
        await self.peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        return web.Response(
            status=201,
            text=self.peer.localDescription.sdp,
            content_type="application/sdp",
            headers={"Location": "/whip/bc_test/r1"},
        )

    def _take(self, track: MediaStreamTrack) -> None:
        self.tracks[track.kind] = track
        if len(self.tracks) == 2:
            self.both_tracks.set()

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted.set()
        await self.close()
        return web.Response()


@asynccontextmanager
async def whip_receiver() -> AsyncIterator[tuple[WhipReceiver, str]]:
    """Run a receiver on a free port; yield it and its base URL."""
    receiver = WhipReceiver()
    server = TestServer(receiver.application())
    await server.start_server()
    try:
        yield receiver, f"http://127.0.0.1:{server.port}"
    finally:
        await receiver.close()
        await server.close()
