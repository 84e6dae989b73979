"""Maps a publisher's sender reports onto the relay's own time line, so that viewers' lips stay in sync. Pure.

All streams of one publisher share one offset between its clock and ours, so that the distance between its audio and
its video is kept; a new publisher gets a new offset, so that NTP time at the viewers never jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.rtcp import SenderReport

NTP_UNIX_OFFSET_S = 2_208_988_800
"""Seconds from 1900 to 1970."""


class PublisherClock:
    """The offset from one publisher's NTP time to the relay's, fixed at its first sender report."""

    __slots__ = ("_offset_s",)

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def to_relay(self, ntp_s: float, unix_now_s: float) -> float:
        """Give the relay's NTP seconds for the publisher's; `unix_now_s` is used the first time only."""
        if self._offset_s is None:
            self._offset_s = unix_now_s + NTP_UNIX_OFFSET_S - ntp_s
        return ntp_s + self._offset_s


@dataclass(frozen=True, slots=True)
class TimestampAnchor:
    """At relay time `ntp_s`, the source's RTP clock read `rtp_timestamp`; it was learnt at `arrived_s`."""

    ntp_s: float
    rtp_timestamp: int
    arrived_s: float
    clock_rate: int

    def at(self, now_s: float) -> tuple[float, int]:
        """Extrapolate to now: (NTP seconds, source RTP timestamp)."""
        elapsed = now_s - self.arrived_s
        return self.ntp_s + elapsed, (self.rtp_timestamp + round(elapsed * self.clock_rate)) & 0xFFFFFFFF


def anchor_of(
    report: SenderReport, clock: PublisherClock, clock_rate: int, now_s: float, unix_now_s: float
) -> TimestampAnchor:
    """Turn one sender report into an anchor."""
    return TimestampAnchor(clock.to_relay(report.ntp_s, unix_now_s), report.rtp_timestamp, now_s, clock_rate)
