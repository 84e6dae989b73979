"""The relay's side of recording, as a narrow port. Pure; no I/O of its own."""

from __future__ import annotations

from typing import Protocol

from streaming.ingest import Source
from streaming.rtp import RtpPacket


class TapePort(Protocol):
    """One broadcast being recorded."""

    def append(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        """Take a packet in the order of arrival; never waits, never raises. What cannot be kept is counted."""


class Recorder(Protocol):
    """Records every packet it is given once, or counts it as lost and says so; neither call waits or raises."""

    def open(self, broadcast_id: str) -> TapePort:
        """Give the broadcast's tape."""

    def close(self, broadcast_id: str) -> None:
        """The broadcast is over."""
