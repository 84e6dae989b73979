"""How a broadcast's packets reach another media process and come from one, as narrow ports. Pure."""

from __future__ import annotations

from typing import Protocol

from streaming.ingest import Source
from streaming.rtp import RtpPacket


class Tap(Protocol):
    """Where else a broadcast's packets go: another process. Neither call may wait or raise."""

    def take(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        """Take one packet in its order."""

    def closed(self) -> None:
        """There will be no more."""


class Origin(Protocol):
    """Where packets come from that no publisher sends here. The call may not wait or raise."""

    def ask_for_keyframe(self) -> None:
        """Pass a viewer's request on."""
