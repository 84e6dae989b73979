"""Stock RTCPeerConnections as publisher and viewer over the real routes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

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

    def dropped_by_its_own_sockets(self) -> int:
        """Datagrams that came and found the buffer full: this process had no time to read them."""
        ice = self.connection.getTransceivers()[0].receiver.transport.transport._connection
        ports = {candidate.port for candidate in ice.local_candidates}
        rows = [
            line.split() for name in ("udp", "udp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]
        ]
        return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) in ports)

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
