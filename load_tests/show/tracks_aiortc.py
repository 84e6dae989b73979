"""The show's picture and sound as aiortc tracks, paced by the show's clock. I/O: none but waiting.

Both tracks take their timestamps from the stream position, so lips stay in step after any delay; a frame
that is late is skipped, never sent late.
"""

import asyncio
from fractions import Fraction
from typing import Final

import av
from aiortc import MediaStreamTrack

from load_tests.barcode import TICK_MS
from load_tests.show.clock import ShowClock
from load_tests.show.picture import picture_at, prepare, wants_keyframe
from load_tests.show.sound import SAMPLE_RATE, samples_at

FRAME_MS: Final = TICK_MS
_VIDEO_CLOCK_HZ: Final = 90_000
_AUDIO_MS: Final = 20
_AUDIO_SAMPLES: Final = SAMPLE_RATE * _AUDIO_MS // 1000
_PREPARE_EVERY_S: Final = 1.0


async def warm_up() -> None:
    """Draw and compute what the first seconds need (about half a second), before the clock starts."""
    await asyncio.to_thread(prepare, 0)
    await asyncio.to_thread(samples_at, 0, 1)


async def draw_ahead(clock: ShowClock) -> None:
    """Draw the slides that come next, beside the frames, so that none waits; run as a task for ever."""
    while True:
        await asyncio.to_thread(prepare, int(clock.position_ms()))
        await asyncio.sleep(_PREPARE_EVERY_S)


class _Slots:
    """Hands out positions on a fixed raster, skipping those that have passed."""

    def __init__(self, clock: ShowClock, raster_ms: int) -> None:
        self._clock = clock
        self._raster_ms = raster_ms
        self._next_ms = 0

    async def next_ms(self) -> int:
        """Wait for the next slot and return its position."""
        now_slot = int(self._clock.position_ms()) // self._raster_ms * self._raster_ms
        slot_ms = max(self._next_ms, now_slot)
        self._next_ms = slot_ms + self._raster_ms
        await self._clock.wait_for(slot_ms)
        return slot_ms


class PictureTrack(MediaStreamTrack):
    """720 × 1280 pictures at 20 frames a second."""

    kind = "video"

    def __init__(self, clock: ShowClock) -> None:
        super().__init__()
        self._clock = clock
        self._slots = _Slots(clock, FRAME_MS)

    async def recv(self) -> av.VideoFrame:
        """Return the next picture when it is due."""
        position_ms = await self._slots.next_ms()
        picture = picture_at(position_ms, self._clock.frame_number(position_ms))
        frame = av.VideoFrame.from_ndarray(picture.buffer, format="yuv420p")
        frame.pts = position_ms * _VIDEO_CLOCK_HZ // 1000
        frame.time_base = Fraction(1, _VIDEO_CLOCK_HZ)
        if wants_keyframe(position_ms):
            frame.pict_type = av.video.frame.PictureType.I
        return frame


class SoundTrack(MediaStreamTrack):
    """48 kHz mono sound in frames of 20 ms."""

    kind = "audio"

    def __init__(self, clock: ShowClock) -> None:
        super().__init__()
        self._slots = _Slots(clock, _AUDIO_MS)

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms when they are due."""
        position_ms = await self._slots.next_ms()
        first_sample = position_ms * SAMPLE_RATE // 1000
        samples = samples_at(first_sample, _AUDIO_SAMPLES)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = first_sample
        frame.time_base = Fraction(1, SAMPLE_RATE)
        return frame
