"""Publishes real VP8 pictures over WHIP that carry their time as a barcode, a keyframe only when asked. I/O: HTTP, UDP.

As browsers do: between requests there is no keyframe, so that whoever joins depends on what the relay kept or asks for.
"""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction
from typing import Final

import av
import numpy as np
from aiortc.codecs.vpx import Vp8Encoder

from load_tests import barcode
from load_tests.bench import pattern
from load_tests.bench.source import Source
from load_tests.bench.webrtc_client import Identity

_WIDTH, _HEIGHT = barcode.PICTURE_WIDTH // 2, barcode.PICTURE_HEIGHT // 2
_CHECK_EVERY_S: Final = 5.0
_PAYLOAD_FEEDBACK, _PLI, _FIR = 206, 1, 4


class PictureSource(Source):
    """One publisher of 360 × 640 pictures, 20 a second, with sound beside them; `run` sends until it is cancelled."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self.keyframe_requests = 0
        self._wanted = True
        self._encoder = Vp8Encoder()
        self._encoder.target_bitrate = 1_000_000
        self._grain = np.random.default_rng(1).integers(90, 166, (7, 100, _WIDTH), dtype=np.uint8)
        """Detail that an encoder cannot foresee, so that a picture takes several packets."""
        self._whole = np.full((barcode.PICTURE_HEIGHT, barcode.PICTURE_WIDTH), 128, np.uint8)
        self._picture = np.full((_HEIGHT * 3 // 2, _WIDTH), 128, np.uint8)

    def heard(self, datagram: memoryview) -> None:
        """Note each keyframe request (PLI or FIR)."""
        try:
            compound = self._client.inbound.unprotect_rtcp(bytes(datagram))
        except Exception:
            return  # pylibsrtp's own Error, or no keys yet: what does not authenticate asks for nothing
        position = 0
        while position + 4 <= len(compound):
            kind, form = compound[position + 1], compound[position] & 0x1F
            if kind == _PAYLOAD_FEEDBACK and form in (_PLI, _FIR):
                self.keyframe_requests += 1
                self._wanted = True
            position += 4 * (1 + int.from_bytes(compound[position + 2 : position + 4], "big"))

    async def run(self) -> None:
        """Send in real time: a picture each tick of the barcode, sound every 20 ms; report and renew consent."""
        tick = time.time_ns() // (barcode.TICK_MS * 1_000_000) + 1
        sound, checked_s = 0, time.monotonic()
        while True:
            await asyncio.sleep(max(0.0, tick * barcode.TICK_MS / 1e3 - time.time()))
            self._send_picture(tick)
            for _ in range(barcode.TICK_MS * pattern.AUDIO_PER_S // 1000 + tick % 2):
                self._packet(False, sound * 960, True, pattern.audio_payload(time.time_ns()))
                sound += 1
            if time.monotonic() - checked_s > _CHECK_EVERY_S:
                checked_s = time.monotonic()
                self._client.check()
            tick = max(tick + 1, time.time_ns() // (barcode.TICK_MS * 1_000_000))

    def _send_picture(self, tick: int) -> None:
        number = tick % barcode.NUMBERS
        barcode.draw_barcode(self._whole, number)
        luma = self._picture[:_HEIGHT]
        luma[:] = self._whole[::2, ::2]
        luma[150:600] = 60 + np.arange(number * 7, number * 7 + 450, dtype=np.int64)[:, None] % 120
        luma[300:400] = self._grain[number % len(self._grain)]
        frame = av.VideoFrame.from_ndarray(self._picture, format="yuv420p")
        frame.pts, frame.time_base = tick * barcode.TICK_MS * 90, Fraction(1, 90_000)
        payloads, timestamp = self._encoder.encode(frame, force_keyframe=self._wanted)
        self._wanted = False
        for position, payload in enumerate(payloads, start=1):
            self._packet(True, timestamp, position == len(payloads), payload)
