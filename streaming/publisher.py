"""One publisher of a broadcast: its media in, its feedback out, and whether it still sends. No I/O of its own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

from streaming.egress import PacketWriter
from streaming.errors import MalformedPacket
from streaming.ingest import Ingest, Source
from streaming.peer import Peer
from streaming.rtp import RtpPacket

FEEDBACK_INTERVAL_S = 0.05
REPORT_INTERVAL_S = 1.0


class Flow(enum.Enum):
    """Whether media comes: WAITING until the first packet."""

    WAITING = "waiting"
    FLOWING = "flowing"
    STALLED = "stalled"


class Publisher:
    """The owner of a publisher's peer; `media`, `flow_changed` and `gone` tell the relay."""

    def __init__(
        self, resource_id: str, peer: Peer, ingest: Ingest, silent_s: float, unix_clock: Callable[[], float]
    ) -> None:
        self.resource_id = resource_id
        self.peer = peer
        self.ingest = ingest
        self.flow = Flow.WAITING
        self.packets = 0
        self.octets = 0
        self.media: Callable[[Source, RtpPacket, float], None] = _ignore
        self.flow_changed: Callable[[Publisher, Flow, float], None] = _ignore
        self.gone: Callable[[Publisher, str], None] = _ignore
        self.limited: Callable[[Publisher], None] = _ignore
        """Told when shedding begins and ends; `ingest.limit.shedding` says which."""
        self._silent_s = silent_s
        self._unix_clock = unix_clock
        self._connected_s: float | None = None
        self._media_s: float | None = None
        self._reported_s = 0.0
        self._was_shedding = False

    def alive(self, now_s: float) -> bool:
        """Say whether a second publisher must be refused: connecting, or sending, and not silent."""
        if self.peer.closed:
            return False
        return not self.peer.connected or self.silent_for_s(now_s) < self._silent_s

    def silent_for_s(self, now_s: float) -> float:
        """Seconds since the last media packet, or since the connection stood."""
        if self._connected_s is None:
            self._connected_s = now_s
        return now_s - (self._media_s if self._media_s is not None else self._connected_s)

    def tick(self, writer: PacketWriter, now_s: float) -> None:
        """Send the feedback that is due and notice silence; called every 50 ms."""
        peer = self.peer.writer_peer
        if peer is None or self.peer.closed:
            return
        for compound in self.ingest.frequent_feedback(now_s):
            writer.write_rtcp(peer, compound)
        if now_s - self._reported_s >= REPORT_INTERVAL_S:
            self._reported_s = now_s
            writer.write_rtcp(peer, self.ingest.reports(now_s))
        self._check_limit(now_s)
        if self.silent_for_s(now_s) >= self._silent_s and self.flow is Flow.FLOWING:
            self._change(Flow.STALLED, now_s)

    def _check_limit(self, now_s: float) -> None:
        if self.ingest.limit.calmed(now_s):
            self.ingest.unrepairable.add(None)
        if self.ingest.limit.shedding is not self._was_shedding:
            self._was_shedding = self.ingest.limit.shedding
            self.limited(self)

    def ask_for_keyframe(self, writer: PacketWriter, layers: Iterable[int | None]) -> bool:
        """Send a PLI for each of these layers; False while there is no such video to ask for."""
        request = self.ingest.keyframe_request(layers)
        if request is None or self.peer.writer_peer is None:
            return False
        writer.write_rtcp(self.peer.writer_peer, request)
        return True

    def peer_connected(self) -> None:
        """The handshake is complete; silence counts from the next tick on."""

    def peer_closed(self, reason: str) -> None:
        """The session is over."""
        self.gone(self, reason)

    def peer_rtp(self, packet: bytes, now_s: float) -> None:
        """Forward a media packet; malformed ones and padding go no further."""
        try:
            received = self.ingest.receive(packet, now_s)
        except MalformedPacket:
            return
        if received is None:
            return
        source, media = received
        if media.payload:
            self.packets += 1
            self.octets += len(media.payload)
            self._media_s = now_s
            if self.flow is not Flow.FLOWING:
                self._change(Flow.FLOWING, now_s)
        self.media(source, media, now_s)

    def peer_rtcp(self, compound: bytes, now_s: float) -> None:
        """Learn the publisher's clocks from its sender reports."""
        self.ingest.receive_rtcp(compound, now_s, self._unix_clock())

    def _change(self, flow: Flow, now_s: float) -> None:
        before, self.flow = self.flow, flow
        self.flow_changed(self, before, now_s)


def _ignore(*_: object) -> None:
    """What an event does until the relay listens."""
