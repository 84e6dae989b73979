"""Publishes the show over WHIP (RFC 9725) with a real RTCPeerConnection. I/O: HTTP and UDP."""

import asyncio
import contextlib
import logging
from typing import Final
from urllib.parse import urlsplit

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.codecs import vpx

from load_tests.http_client import ApiError, Person, Unreachable
from load_tests.show.clock import ShowClock
from load_tests.show.tracks_aiortc import PictureTrack, SoundTrack

VIDEO_BITRATE_BPS: Final = 1_000_000
_CONNECT_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 0.7

logger = logging.getLogger(__name__)


class PublishFailed(Exception):
    """Media never began to flow: the peers found no path, or the answer was not usable."""


class WhipPublisher:
    """One publishing at a time; `publish` again after it ended."""

    def __init__(self, person: Person, broadcast_id: str, clock: ShowClock) -> None:
        self._person = person
        self._path = f"/whip/{broadcast_id}"
        self._clock = clock

    async def publish(self, until: asyncio.Event) -> None:
        """Publish until the connection fails or `until` is set, then DELETE the resource.

        Raises ApiError, Unreachable and PublishFailed when media did not begin to flow.
        """
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        ended = asyncio.Event()
        connected = asyncio.Event()

        @peer.on("connectionstatechange")
        def _() -> None:
            if peer.connectionState == "connected":
                connected.set()
            elif peer.connectionState in ("failed", "closed"):
                ended.set()

        location = None
        try:
            location = await self._negotiate(peer)
            await _first_of(connected, ended, until, timeout_s=_CONNECT_TIMEOUT_S)
            if not connected.is_set():
                raise PublishFailed("no connection to the media port")
            logger.info("publishing")
            await _first_of(ended, until, timeout_s=None)
        finally:
            await asyncio.shield(self._close(peer, location))

    async def _negotiate(self, peer: RTCPeerConnection) -> str:
        """Offer picture and sound; return the Location of the WHIP resource."""
        peer.addTransceiver(SoundTrack(self._clock), direction="sendonly")
        video = peer.addTransceiver(PictureTrack(self._clock), direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([codec for codec in codecs if codec.mimeType in ("video/VP8", "video/rtx")])
        await peer.setLocalDescription(await peer.createOffer())
        offer = peer.localDescription.sdp
        headers = {"Content-Type": "application/sdp"}
        answer, answered = await self._person.send("POST", self._path, data=offer, headers=headers)
        location = urlsplit(answered.get("Location", "")).path
        try:
            await peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
        except ValueError as error:
            await self._delete(location)
            raise PublishFailed(f"unusable answer: {error}") from error
        return location

    async def _close(self, peer: RTCPeerConnection, location: str | None) -> None:
        """Tell the server first, while it can still hear us, and never wait long for either."""
        if location is not None:
            await self._delete(location)
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await peer.close()
        except TimeoutError:
            logger.warning("the peer connection did not close within %s s", _CLOSE_TIMEOUT_S)

    async def _delete(self, location: str) -> None:
        with contextlib.suppress(ApiError, Unreachable, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._person.send("DELETE", location)


def configure_encoder() -> None:
    """Hold aiortc's VP8 encoder at 1 Mbit/s; call once, before publishing.

    It begins at 500 kbit/s and then follows REMB, which moves between its module's limits: there is no
    public way to ask for a rate.
    """
    vpx.DEFAULT_BITRATE = VIDEO_BITRATE_BPS
    vpx.MIN_BITRATE = 4 * VIDEO_BITRATE_BPS // 5
    vpx.MAX_BITRATE = 6 * VIDEO_BITRATE_BPS // 5


def offer_loopback() -> None:
    """Let ICE use 127.0.0.1 too; call once, when the server is on this machine.

    aioice leaves loopback out, so a machine without any network could not publish to itself.
    """
    gathered = aioice.ice.get_host_addresses

    def with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [*gathered(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]

    aioice.ice.get_host_addresses = with_loopback


async def _first_of(*events: asyncio.Event, timeout_s: float | None) -> None:
    """Wait until one of the events is set, or for `timeout_s`."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
