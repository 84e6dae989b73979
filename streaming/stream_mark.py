"""Where a viewer's stream stands when it leaves a line, and how it goes on upon another. Pure.

Layers of one publisher have sequence numbers, timestamps and picture ids of their own. The decoder must notice nothing:
the next packet follows the last one, and its timestamp is the one that the old layer would have had by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streaming.forwarding import Lane, RelayedPacket
from streaming.vp8_descriptor import PICTURE_ID_MODULUS, TL0_MODULUS

_MOST_APART_S = 1.0
"""Sender reports that place a frame further than this from its arrival are not believed."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """At NTP time `ntp_s` of the relay, a line's (or a viewer's) RTP clock reads `timestamp`."""

    ntp_s: float
    timestamp: int


@dataclass(frozen=True, slots=True)
class StreamMark:
    """The newest packet that a viewer was sent, in the viewer's own numbers; `clock` is its RTP clock, where known."""

    sequence: int
    timestamp: int
    arrived_s: float
    ids: tuple[int, int] | None
    clock: ClockReading | None

    def follow(self, lane: Lane[Any], packet: RelayedPacket, clock_rate: int, clock: ClockReading | None) -> int:
        """Let `packet`, the first of a line whose RTP clock is `clock`, leave next; returns its sequence number."""
        sequence = (self.sequence + 1) & 0xFFFF
        ids = None if self.ids is None else (self.ids[0] + 1, self.ids[1] + 1)
        lane.begin(packet, sequence, self._timestamp_of(packet, clock_rate, clock), ids)
        return sequence

    def _timestamp_of(self, packet: RelayedPacket, clock_rate: int, clock: ClockReading | None) -> int:
        elapsed = round((packet.arrived_s - self.arrived_s) * clock_rate)
        if self.clock is not None and clock is not None:
            ahead = round((clock.ntp_s - self.clock.ntp_s) * clock_rate)
            by_clock = signed_32(self.clock.timestamp + ahead + packet.timestamp - clock.timestamp - self.timestamp)
            if abs(by_clock - elapsed) < _MOST_APART_S * clock_rate:
                elapsed = by_clock
        return (self.timestamp + max(clock_rate // 1000, elapsed)) & 0xFFFFFFFF


def mark_of(lane: Lane[Any], newest: RelayedPacket, clock: ClockReading | None) -> StreamMark:
    """Note where a viewer stands that has got everything of a line up to `newest`; `clock` is the line's."""
    ids = newest.picture_ids
    return StreamMark(
        lane.sequence_of(newest),
        lane.timestamp_of(newest.timestamp),
        newest.arrived_s,
        None
        if ids is None
        else (
            (ids.picture_id + lane.picture_id_delta) % PICTURE_ID_MODULUS,
            (ids.tl0 + lane.tl0_delta) % TL0_MODULUS,
        ),
        None if clock is None else ClockReading(clock.ntp_s, lane.timestamp_of(clock.timestamp)),
    )


def signed_32(difference: int) -> int:
    """Read a difference of 32-bit timestamps as the shorter way round."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000
