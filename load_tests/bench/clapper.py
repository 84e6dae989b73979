"""Publishes pictures with a barcode and sound with a clap a second, both by one exact clock. I/O: HTTP, UDP.

A picture's number says when it was taken; a clap begins at each whole second of Unix time. Both RTP clocks read the
Unix time, a packet of sound leaves when its last sample was spoken, and the sender reports say just that: what is apart
at a viewer came about on the way, not at the camera, as it may with a browser's fake devices.
"""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from load_tests import barcode
from load_tests.bench.picture_source import PictureSource
from load_tests.bench.webrtc_client import Identity

SAMPLE_RATE: Final = 48_000
_SAMPLES: Final = SAMPLE_RATE // 50
"""One packet: 20 ms."""
_CLAP_SAMPLES: Final = SAMPLE_RATE // 20
_LOUDNESS: Final = 20_000
_PITCH_HZ: Final = 1000
_REPORT_EVERY_S: Final = 1.0
_CHECK_EVERY_S: Final = 5.0


class Clapper(PictureSource):
    """One publisher of 20 pictures a second and claps; `run` sends until it is cancelled."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self._opus: Any = av.CodecContext.create("libopus", "w")
        self._opus.sample_rate, self._opus.format, self._opus.layout = SAMPLE_RATE, "s16", "stereo"
        # The other modes look 6.5 ms ahead, which would be heard as a delay; this one 2.5 ms.
        self._opus.options = {"application": "lowdelay", "frame_duration": "20"}

    async def run(self) -> None:
        """Send pictures, sound and reports in real time, and renew consent."""
        async with asyncio.TaskGroup() as group:
            for act in (self._film, self._speak, self._report_time, self._keep):
                group.create_task(act())

    async def _film(self) -> None:
        tick = 0
        while True:
            tick = max(tick + 1, int(time.time() * 1000 / barcode.TICK_MS))
            await _until(tick * barcode.TICK_MS / 1000)
            self._send_picture(tick)

    async def _speak(self) -> None:
        packet = int(time.time() * SAMPLE_RATE / _SAMPLES) + 1
        while True:
            await _until((packet + 1) * _SAMPLES / SAMPLE_RATE)
            first = packet * _SAMPLES
            frame = av.AudioFrame.from_ndarray(sound(first), "s16", "stereo")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            for encoded in self._opus.encode(frame):
                self._packet(False, first, False, bytes(encoded))
            packet += 1

    async def _report_time(self) -> None:
        while True:
            now_s = time.time()
            self._report(now_s, round(now_s * 90_000), round(now_s * SAMPLE_RATE))
            await asyncio.sleep(_REPORT_EVERY_S)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            self._client.check()


def sound(first: int) -> NDArray[np.int16]:
    """Twenty milliseconds from that sample of Unix time on, both channels interleaved, shaped (1, samples · 2)."""
    numbers = (np.arange(first, first + _SAMPLES)) % SAMPLE_RATE
    tone = np.sin(numbers * (2 * np.pi * _PITCH_HZ / SAMPLE_RATE)) * _LOUDNESS
    return np.where(numbers < _CLAP_SAMPLES, tone, 0).astype(np.int16).repeat(2)[None, :]


async def _until(unix_s: float) -> None:
    await asyncio.sleep(max(0.0, unix_s - time.time()))
