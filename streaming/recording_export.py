"""Writes a recording as files that players open, without encoding anything again. Blocking I/O, with PyAV.

H264 goes into MP4, VP8 into WebM (hardly any player opens VP8 in MP4); Opus goes into either. When the codec or the
size of the picture changes (another publisher, another layer), a further file begins: a file's header holds one of
each, and players differ in what they make of a second.
"""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from streaming.depacketising import Frame, frame_size
from streaming.recording_timeline import ReadSegments, TimedFrame, find_zero_us, frames_of

_MICROSECONDS = Fraction(1, 1_000_000)


@dataclass(slots=True)
class ExportedFile:
    """One file and what went into it."""

    path: Path
    video_frames: int = 0
    audio_frames: int = 0


def export(read: ReadSegments, out: Path) -> list[ExportedFile]:
    """Write `out`, its suffix as the codec asks (…-2 and so on behind a change); nothing for an empty recording.

    Presentation times are stream_time_ms, so that a gap stays a gap. Raises OSError.
    """
    zero_us = find_zero_us(read)
    if zero_us is None:
        return []
    video, audio = _from_keyframe(frames_of(read, "video", zero_us)), frames_of(read, "audio", zero_us)
    first_video, first_audio = next(video, None), next(audio, None)
    with_audio = first_audio is not None
    rest = [
        iter(()) if first is None else chain([first], more)
        for first, more in ((first_video, video), (first_audio, audio))
    ]
    files: list[ExportedFile] = []
    part = _Part(_named(out, first_video, 1), first_video, with_audio=with_audio)
    files.append(part.file)
    try:
        for timed in heapq.merge(*rest, key=lambda timed: timed.stream_time_us):
            if not part.fits(timed.frame):
                part.close()
                part = _Part(_named(out, timed, len(files) + 1), timed, with_audio=with_audio)
                files.append(part.file)
            part.write(timed)
    finally:
        part.close()
    return files


def _from_keyframe(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Leave out what no decoder can begin with, at the start and where the source or its codec changes."""
    going: tuple[int, str] | None = None
    for timed in frames:
        source = (timed.ssrc, timed.frame.codec)
        if source == going or timed.frame.keyframe:
            going = source
            yield timed


def _named(out: Path, first: TimedFrame | None, number: int) -> Path:
    suffix = ".mp4" if first is not None and first.frame.codec == "H264" else ".webm"
    stem = out.stem if number == 1 else f"{out.stem}-{number}"
    return out.with_name(stem + suffix)


class _Part:
    """One file being written."""

    def __init__(self, path: Path, first: TimedFrame | None, *, with_audio: bool) -> None:
        self.file = ExportedFile(path)
        self._codec = first.frame.codec if first is not None else ""
        self._size = frame_size(first.frame) if first is not None else None
        self._container: Any = av.open(str(path), "w")
        self._video: Any = self._video_stream(first.frame) if first is not None else None
        self._audio: Any = self._container.add_stream("libopus", rate=48_000, layout="stereo") if with_audio else None
        self._last_us = {"video": -1, "audio": -1}

    def _video_stream(self, keyframe: Frame) -> Any:
        if keyframe.codec == "VP8":
            width, height = frame_size(keyframe) or (0, 0)
            return self._container.add_mux_stream("vp8", width=width, height=height, time_base=Fraction(1, 1_000))
        # The parameter sets of the keyframe give the file's header; libav reads them best itself.
        with av.open(io.BytesIO(keyframe.data), format="h264") as sample:
            return self._container.add_stream_from_template(sample.streams.video[0])

    def fits(self, frame: Frame) -> bool:
        """Say whether the frame is what this file's header names; keyframes that name no size are believed."""
        if frame.codec == "opus":
            return True
        return frame.codec == self._codec and (not frame.keyframe or frame_size(frame) in (self._size, None))

    def write(self, timed: TimedFrame) -> None:
        """Append a frame; times of one stream only ever grow, as the containers ask."""
        kind = "audio" if timed.frame.codec == "opus" else "video"
        stream = self._audio if kind == "audio" else self._video
        at_us = self._last_us[kind] = max(timed.stream_time_us, self._last_us[kind] + 1_000)
        packet = av.Packet(timed.frame.data)
        packet.stream = stream
        packet.time_base = _MICROSECONDS
        packet.pts = packet.dts = at_us
        packet.is_keyframe = timed.frame.keyframe
        self._container.mux_one(packet)
        self.file.video_frames += kind == "video"
        self.file.audio_frames += kind == "audio"

    def close(self) -> None:
        """Finish the file."""
        self._container.close()
