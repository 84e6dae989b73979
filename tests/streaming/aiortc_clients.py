"""Stock RTCPeerConnections as publisher and viewer over the real routes, and a link that loses packets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from av import VideoFrame

from streaming.rtp import is_rtcp
from tests.streaming.harness import Station


class MovingPicture(VideoStreamTrack):
    """Small frames that change, so that each gives at least one packet."""

    _count = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        self._count += 1
        frame = VideoFrame(width=160, height=120, format="yuv420p")
        for plane in frame.planes:
            plane.update(bytes((i * self._count) & 0xFF for i in range(64)) * (plane.buffer_size // 64))
        frame.pts, frame.time_base = pts, time_base
        return frame


@dataclass
class Client:
    """A peer connection and, for a viewer, the frames it decoded by kind."""

    connection: RTCPeerConnection
    location: str = ""
    frames: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    def read(self, track: MediaStreamTrack) -> None:
        self._readers.append(asyncio.get_running_loop().create_task(self._count(track)))

    async def _count(self, track: MediaStreamTrack) -> None:
        while True:
            await track.recv()
            self.frames[track.kind] += 1

    async def packets_lost(self) -> int:
        report = await self.connection.getStats()
        return sum(entry.packetsLost for entry in report.values() if entry.type == "inbound-rtp")

    async def leave(self) -> None:
        await self.connection.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


def new_connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


async def _exchange(show: Station, client: Client, path: str, bearer: str) -> Client:
    connection = client.connection
    await connection.setLocalDescription(await connection.createOffer())
    status, answer, headers = await show.post(path, connection.localDescription.sdp, bearer)
    assert status == 201, answer
    client.location = headers["Location"]
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return client


async def publish(show: Station, broadcast_id: str = "show", bearer: str = "host", video_codec: str = "VP8") -> Client:
    """Publish a moving picture and silence."""
    client = Client(new_connection())
    client.connection.addTrack(MovingPicture())
    known = RTCRtpSender.getCapabilities("video").codecs
    wanted = [codec for codec in known if codec.name in (video_codec, "rtx")]
    client.connection.getTransceivers()[0].setCodecPreferences(wanted)
    client.connection.addTrack(AudioStreamTrack())
    return await _exchange(show, client, f"/whip/{broadcast_id}", bearer)


async def watch(show: Station, broadcast_id: str = "show", bearer: str = "anna") -> Client:
    """Watch and count frames."""
    client = Client(new_connection())
    client.connection.addTransceiver("video", direction="recvonly")
    client.connection.addTransceiver("audio", direction="recvonly")
    client.connection.on("track", client.read)
    return await _exchange(show, client, f"/whep/{broadcast_id}", bearer)


class LossyLink:
    """A UDP proxy in front of the engine; `loses` says of each media datagram, either way, whether it is dropped.

    It is the clients' network too: `move` gives them another address, `cut` kills the sockets they have now. Clients
    that were there at `spare` keep what they have.
    """

    def __init__(self, loses: Callable[[bytes, bool], bool] = lambda *_: False) -> None:
        self.loses = loses
        self.dropped = 0
        self._front = _bound()
        self.port: int = self._front.getsockname()[1]
        self._engine: tuple[str, int] = ("", 0)
        self._backs: dict[Any, socket.socket] = {}
        self._host = "127.0.0.1"
        self._dead: set[Any] = set()
        self._spared: set[Any] = set()

    def open(self, engine_port: int) -> None:
        self._engine = ("127.0.0.1", engine_port)
        asyncio.get_running_loop().add_reader(self._front, self._from_clients)

    def move(self, host: str) -> None:
        """From now on the engine sees every client at another address (a NAT that was restarted)."""
        self._host = host
        self._hang_up()

    def spare(self) -> None:
        self._spared = set(self._backs)

    def cut(self) -> None:
        """Nothing passes any more from or to the sockets that clients use now (the old network is gone)."""
        self._dead |= set(self._backs) - self._spared
        self._hang_up()

    def _hang_up(self) -> None:
        for client in set(self._backs) - self._spared:
            opened = self._backs.pop(client)
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for opened in (self._front, *self._backs.values()):
            loop.remove_reader(opened)
            opened.close()

    def _passes(self, datagram: bytes, upwards: bool) -> bool:
        media = 128 <= datagram[0] < 192 and not is_rtcp(datagram)
        lost = media and self.loses(datagram, upwards)
        self.dropped += lost
        return not lost

    def _from_clients(self) -> None:
        datagram, client = self._front.recvfrom(4096)
        if client in self._dead:
            return
        back = self._backs.get(client)
        if back is None:
            back = self._backs[client] = _bound(self._host)
            asyncio.get_running_loop().add_reader(back, self._from_engine, back, client)
        if self._passes(datagram, True):
            back.sendto(datagram, self._engine)

    def _from_engine(self, back: socket.socket, client: Any) -> None:
        datagram = back.recv(4096)
        if self._passes(datagram, False):
            self._front.sendto(datagram, client)


def _bound(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((host, 0))
    return made
