"""Publishes the pattern over WHIP: paced by the clock, without an encoder. I/O: HTTP and UDP."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Final

from aiohttp import ClientSession

from load_tests.bench import pattern
from load_tests.bench.offers import AUDIO_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE
from load_tests.bench.signalling import post_offer
from load_tests.bench.webrtc_client import Identity, WebRtcClient

_HEADER: Final = struct.Struct("!BBHLL")
_CHECK_EVERY_S: Final = 5.0


class Source:
    """One publisher; `run` sends until it is cancelled."""

    def __init__(self, identity: Identity) -> None:
        self._client = WebRtcClient(identity, lambda _: None)
        self._sequence = {True: 1000, False: 2000}

    async def publish(self, http: ClientSession, url: str, timeout_s: float) -> None:
        """Make the session; raises ConnectFailed."""
        client = self._client
        await client.connect(await post_offer(http, url, client, "sendonly"), timeout_s)

    async def run(self) -> None:
        """Send the pattern in real time, catching up after a delay."""
        start_s, checked_s = time.monotonic(), time.monotonic()
        for moment in pattern.moments():
            wait_s = start_s + moment.at_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._send(moment)
            if time.monotonic() - checked_s > _CHECK_EVERY_S:
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

    def _packet(self, video: bool, timestamp: int, marker: bool, payload: bytes) -> None:
        self._sequence[video] = (self._sequence[video] + 1) & 0xFFFF
        kind = (VIDEO_PAYLOAD_TYPE if video else AUDIO_PAYLOAD_TYPE) | (0x80 if marker else 0)
        ssrc = 0x51 if video else 0x52
        header = _HEADER.pack(0x80, kind, self._sequence[video], timestamp & 0xFFFFFFFF, ssrc)
        self._client.send(self._client.outbound.protect(header + payload))

    def close(self) -> None:
        """End the session."""
        self._client.close()
