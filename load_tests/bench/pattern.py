"""The stream every media benchmark sends: 1 Mbps of VP8-shaped video, 30 frames a second, and Opus-shaped sound. Pure.

Payloads carry the time they were sent, so that a receiver that decrypts one learns its delay.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FRAMES_PER_S: Final = 30
PACKETS_PER_FRAME: Final = 4
VIDEO_BYTES: Final = 1042
AUDIO_PER_S: Final = 50
AUDIO_BYTES: Final = 120
KEYFRAME_EVERY: Final = FRAMES_PER_S
PACKETS_PER_S: Final = FRAMES_PER_S * PACKETS_PER_FRAME + AUDIO_PER_S
_TIME: Final = struct.Struct("!Q")
TIME_OFFSET: Final = 2
SHORTEST_BYTES: Final = TIME_OFFSET + _TIME.size
"""A payload with less carries no time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What leaves at one time: one frame's packets or one packet of sound."""

    at_s: float
    video: bool
    index: int


def moments() -> Iterator[Moment]:
    """All moments from time 0 on, in order, without end."""
    frame = sound = 0
    while True:
        if frame / FRAMES_PER_S <= sound / AUDIO_PER_S:
            yield Moment(frame / FRAMES_PER_S, True, frame)
            frame += 1
        else:
            yield Moment(sound / AUDIO_PER_S, False, sound)
            sound += 1


def video_payload(frame: int, part: int, now_ns: int) -> bytes:
    """One packet of a frame (RFC 7741): the first has the start bit, and the keyframe bit is 0 once a second."""
    descriptor = 0x10 if part == 0 else 0x00
    header = 0 if frame % KEYFRAME_EVERY == 0 else 1
    return bytes([descriptor, header]) + _TIME.pack(now_ns) + bytes(VIDEO_BYTES - TIME_OFFSET - _TIME.size)


def audio_payload(now_ns: int) -> bytes:
    """One packet of sound."""
    return bytes(TIME_OFFSET) + _TIME.pack(now_ns) + bytes(AUDIO_BYTES - TIME_OFFSET - _TIME.size)


def sent_ns(payload: bytes) -> int:
    """When the sender made this payload, in Unix time."""
    return int(_TIME.unpack_from(payload, TIME_OFFSET)[0])
