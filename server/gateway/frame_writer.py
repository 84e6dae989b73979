"""Writes one frame to many descriptors: natively where that was built, in Python otherwise, with one behaviour. I/O."""

import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from server.gateway.native.build import FAN_OUT
from streaming.native.extension import Binding, NativeUnavailable

WINDOWS = 16


@dataclass(slots=True)
class Seats:
    """Connections side by side: the descriptor, -1 where nothing may be written; the serial last told; the window."""

    descriptors: "array[int]" = field(default_factory=lambda: array("i"))
    told: "array[int]" = field(default_factory=lambda: array("I"))
    windows: "array[int]" = field(default_factory=lambda: array("B"))


@dataclass(frozen=True, slots=True)
class Written:
    """What a call did: where to go on, how many frames and bytes went to sockets, and who did not take it all.

    `left` holds place and bytes sent; -1 where the descriptor was -1, which is no frame that went to a socket. A frame
    that was begun counts whole, as what is missing of it is handed to the transport.
    """

    next: int
    frames: int
    bytes_out: int
    left: list[tuple[int, int]]


class FrameWriter(Protocol):
    """Never waits, never raises for what a socket says; an error of a socket looks like one that took nothing."""

    def table(self, frames: Mapping[int, bytes]) -> Any:
        """Prepare a frame's forms by window for `write`; the bytes are kept alive by what is returned."""

    def write(self, seats: Seats, table: Any, serial: int, first: int, most: int) -> Written:
        """Write to at most `most` seats from `first` on that were not told this serial, and mark them told."""


class PythonFrameWriter:
    """One `os.write` a seat; Python ignores SIGPIPE, so a peer that is gone is an error like any other."""

    def table(self, frames: Mapping[int, bytes]) -> list[bytes]:
        """A list by window."""
        return [frames.get(window, b"") for window in range(WINDOWS)]

    def write(self, seats: Seats, table: list[bytes], serial: int, first: int, most: int) -> Written:
        """See FrameWriter."""
        descriptors, told, windows = seats.descriptors, seats.told, seats.windows
        place, done, frames, bytes_out = first, 0, 0, 0
        left: list[tuple[int, int]] = []
        count, write = len(descriptors), os.write
        while place < count and done < most:
            if told[place] == serial:
                place += 1
                continue
            told[place] = serial
            done += 1
            descriptor, data = descriptors[place], table[windows[place]]
            if descriptor < 0:
                left.append((place, -1))
            else:
                try:
                    sent = write(descriptor, data)
                except OSError:
                    sent = 0
                frames += 1
                bytes_out += len(data)
                if sent < len(data):
                    left.append((place, sent))
            place += 1
        return Written(place, frames, bytes_out, left)


class NativeFrameWriter:
    """One call for many seats: `send` with MSG_DONTWAIT and MSG_NOSIGNAL in C."""

    def __init__(self, binding: Binding) -> None:
        self._ffi, self._lib = binding.ffi, binding.lib
        self._left = self._ffi.new("wc_left[1024]")
        self._left_count = self._ffi.new("unsigned *")

    def table(self, frames: Mapping[int, bytes]) -> Any:
        """The C table with what it points to."""
        table = self._ffi.new(f"wc_frame[{WINDOWS}]")
        kept = {}
        for window, data in frames.items():
            kept[window] = self._ffi.from_buffer(data)
            table[window].data, table[window].bytes = self._ffi.cast("uint8_t *", kept[window]), len(data)
        return table, kept

    def write(self, seats: Seats, table: Any, serial: int, first: int, most: int) -> Written:
        """See FrameWriter."""
        ffi, (frames, kept) = self._ffi, table
        for window in kept:
            frames[window].written = 0
        reached = self._lib.wc_fan_out(
            ffi.from_buffer("int[]", seats.descriptors),
            ffi.from_buffer("uint32_t[]", seats.told, require_writable=True),
            ffi.from_buffer("uint8_t[]", seats.windows),
            len(seats.descriptors),
            first,
            serial,
            frames,
            min(most, len(self._left)),
            self._left,
            self._left_count,
        )
        left = [(self._left[i].place, self._left[i].sent) for i in range(self._left_count[0])]
        written = [(frames[window].written, len(data)) for window, data in kept.items()]
        return Written(reached, sum(n for n, _ in written), sum(n * size for n, size in written), left)


FanOutName = Literal["auto", "native", "python"]


@dataclass(frozen=True, slots=True)
class FanOutChoice:
    """Which writer is active and why."""

    name: Literal["native", "python"]
    reason: str
    writer: FrameWriter


def choose_frame_writer(wanted: FanOutName = "auto") -> FanOutChoice:
    """Choose; "native" raises NativeUnavailable where "auto" falls back."""
    if wanted == "python":
        return FanOutChoice("python", "the settings ask for it", PythonFrameWriter())
    try:
        return FanOutChoice("native", "one call for many viewers", NativeFrameWriter(FAN_OUT.load()))
    except NativeUnavailable as error:
        if wanted == "native":
            raise
        return FanOutChoice("python", f"the native fan-out is not used: {error}", PythonFrameWriter())
