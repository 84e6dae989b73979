"""Publishes the pattern over WHIP: paced by the clock, without an encoder. I/O: HTTP and UDP."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import ClientSession

from load_tests.bench import pattern
from load_tests.bench.offers import AUDIO_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE
from load_tests.bench.signalling import post_offer
from load_tests.bench.webrtc_client import Identity, WebRtcClient

_HEADER: Final = struct.Struct("!BBHLL")
_CHECK_EVERY_S: Final = 5.0
_MAX_LATE_S: Final = 0.05
_VIDEO_SSRC: Final = 0x51
_AUDIO_SSRC: Final = 0x52
_NTP_OFFSET_S: Final = 2_208_988_800

Road = Callable[[str], Awaitable[str]]
"""Gives the answer as it reads from where the client stands."""


async def straight(answer: str) -> str:
    """Leave the answer as it is: the client reaches the server itself."""
    return answer


class Source:
    """One publisher; `run` sends until it is cancelled."""

    def __init__(self, identity: Identity) -> None:
        self._client = WebRtcClient(identity, self.heard)
        self._plain: dict[bool, tuple[str, int]] | None = None
        self._sequence = {True: 1000, False: 2000}

    async def publish(self, http: ClientSession, url: str, timeout_s: float, road: Road = straight) -> None:
        """Make the session, over the road that the answer is sent through; raises ConnectFailed."""
        client = self._client
        await client.connect(await road(await post_offer(http, url, client, "sendonly")), timeout_s)

    @property
    def dismissed(self) -> bool:
        """Whether the server has said goodbye."""
        return self._client.dismissed

    @property
    def heard_s(self) -> float:
        """When the other end was last heard from, by the monotonic clock; 0 before the first time."""
        return self._client.heard_s

    def publish_plain(self, video_port: int, audio_port: int) -> None:
        """Send plain RTP to two loopback ports instead, as Janus's streaming plugin takes it."""
        self._plain = {True: ("127.0.0.1", video_port), False: ("127.0.0.1", audio_port)}

    def heard(self, datagram: memoryview) -> None:
        """What the server says is not looked into: the pattern has a keyframe a second."""

    async def run(self) -> None:
        """Send the pattern in real time; after a long delay it goes on from there, as an encoder would."""
        start_s, checked_s = time.monotonic(), time.monotonic()
        for moment in pattern.moments():
            wait_s = start_s + moment.at_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif wait_s < -_MAX_LATE_S:
                start_s -= wait_s
            self._send(moment)
            if self._plain is None and moment.video and moment.index % pattern.FRAMES_PER_S == 0:
                # Once a second, as encoders do.
                self._report(time.time(), int(moment.at_s * 90_000), int(moment.at_s * 48_000))
            if self._plain is None and time.monotonic() - checked_s > _CHECK_EVERY_S:
                checked_s = time.monotonic()
                self._client.check()

    def _send(self, moment: pattern.Moment) -> None:
        if not moment.video:
            self._packet(False, moment.index * 960, True, pattern.audio_payload(time.time_ns()))
            return
        for part in range(pattern.PACKETS_PER_FRAME):
            payload = pattern.video_payload(moment.index, part, time.time_ns())
            last = part == pattern.PACKETS_PER_FRAME - 1
            self._packet(True, moment.index * 3000, last, payload)

    def _report(self, now_s: float, video_timestamp: int, audio_timestamp: int) -> None:
        """Send both streams' sender reports (RFC 3550 §6.4.1): what their RTP clocks read at that Unix time."""
        seconds, fraction = divmod(now_s + _NTP_OFFSET_S, 1)
        for ssrc, timestamp in ((_VIDEO_SSRC, video_timestamp), (_AUDIO_SSRC, audio_timestamp)):
            body = struct.pack("!LLLLLL", ssrc, int(seconds), int(fraction * (1 << 32)), timestamp & 0xFFFFFFFF, 0, 0)
            self._client.send(self._client.outbound.protect_rtcp(struct.pack("!BBH", 0x80, 200, 6) + body))

    def _packet(self, video: bool, timestamp: int, marker: bool, payload: bytes) -> None:
        self._sequence[video] = (self._sequence[video] + 1) & 0xFFFF
        kind = (VIDEO_PAYLOAD_TYPE if video else AUDIO_PAYLOAD_TYPE) | (0x80 if marker else 0)
        ssrc = _VIDEO_SSRC if video else _AUDIO_SSRC
        header = _HEADER.pack(0x80, kind, self._sequence[video], timestamp & 0xFFFFFFFF, ssrc)
        if self._plain is not None:
            self._client.socket.sendto(header + payload, self._plain[video])
        else:
            self._client.send(self._client.outbound.protect(header + payload))

    def close(self) -> None:
        """End the session."""
        self._client.close()
