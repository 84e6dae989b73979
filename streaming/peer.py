"""One remote end, publisher or viewer: ICE-lite, DTLS, SRTP. Composes; its I/O goes through the port and the writer.

Life: admitted → reachable (authenticated STUN) → connected (keys) → closed. No task belongs to a connection: datagrams
move it, and the engine's one clock calls `tick` until it is connected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from streaming.dtls_openssl import DtlsServer, SharedCertificate
from streaming.egress import PacketWriter, WriterPeer
from streaming.feedback_budget import FeedbackBudget
from streaming.ice_lite import Address, Credentials, IceLiteAgent
from streaming.port import MediaPort
from streaming.srtp_pylibsrtp import InboundSrtp, SrtpKeys


class PeerOwner(Protocol):
    """Who is told what the peer does; no call may block or await."""

    def peer_connected(self) -> None:
        """Keys are agreed: `peer.writer_peer` is set and media may flow."""
        ...

    def peer_rtp(self, packet: bytes, now_s: float) -> None:
        """A decrypted, authentic RTP packet."""
        ...

    def peer_rtcp(self, compound: bytes, now_s: float) -> None:
        """A decrypted, authentic RTCP compound."""
        ...

    def peer_closed(self, reason: str) -> None:
        """Told exactly once; nothing follows."""
        ...


class Peer:
    """The port's Endpoint for one session."""

    def __init__(
        self,
        ice: IceLiteAgent,
        fingerprints: tuple[tuple[str, str], ...],
        certificate: SharedCertificate,
        port: MediaPort,
        writer: PacketWriter,
        deadline_s: float,
    ) -> None:
        self.ice = ice
        self.address: Address | None = None
        self.writer_peer: WriterPeer | None = None
        self.closed = False
        self._inbound: InboundSrtp | None = None
        self._feedback = FeedbackBudget()
        self._port = port
        self._writer = writer
        self._deadline_s = deadline_s
        self._owner: PeerOwner | None = None
        self._on_connected: Callable[[], None] = lambda: None
        self._on_closed: Callable[[], None] = lambda: None
        self._dtls = DtlsServer(
            certificate, fingerprints, self._send_dtls, self._established, lambda: self.close("peer_closed")
        )

    @property
    def connected(self) -> bool:
        """True between the end of the handshake and the close."""
        return self.writer_peer is not None and not self.closed

    def admit(self, owner: PeerOwner) -> None:
        """Register with the port and let the peer connect until its deadline."""
        self._owner = owner
        self._port.register(self)

    def tick(self, now_s: float) -> None:
        """Send an overdue flight again, and give up at the deadline; called by the clock until connected."""
        if self.closed or self.writer_peer is not None:
            return
        if now_s >= self._deadline_s:
            self.close("handshake_timeout")
        else:
            self._dtls.retransmit()

    def watch(self, connected: Callable[[], None], closed: Callable[[], None]) -> None:
        """Have the engine's table told of both, before the owner is."""
        self._on_connected, self._on_closed = connected, closed

    def restart_ice(self, credentials: Credentials) -> None:
        """Answer checks under these credentials too; media stay on the old pair until one of these is nominated."""
        self._port.reroute(self, self.ice.restart(credentials))

    def close(self, reason: str) -> None:
        """End the session at once; close_notify goes out and all that it held is freed."""
        if self.closed:
            return
        self.closed = True
        self._port.unregister(self)
        self._dtls.stop()
        self._on_closed()
        if self._owner is not None:
            self._owner.peer_closed(reason)

    def _established(self, keys: SrtpKeys | None) -> None:
        if self.closed:
            return
        if keys is None or self.address is None:
            self.close("handshake_failed")
            return
        self._inbound = InboundSrtp(keys)
        self.writer_peer = self._writer.attach(keys, self.address)
        self._on_connected()
        if self._owner is not None:
            self._owner.peer_connected()

    def _send_dtls(self, datagram: bytes) -> None:
        if self.address is not None:
            self._writer.write_plain(datagram, self.address)

    def addressed(self, address: Address, *, nominated: bool, now_s: float) -> None:
        """Follow the nominated pair; before any nomination, the first that authenticated."""
        if nominated or self.address is None:
            self.address = address
            if self.writer_peer is not None:
                self.writer_peer.address = address

    def receive_dtls(self, datagram: bytes) -> None:
        """Hand a DTLS datagram to the association."""
        self._dtls.receive(datagram)

    def receive_rtp(self, datagram: bytes, now_s: float) -> None:
        """Decrypt and hand on; forged or replayed packets vanish."""
        if self._inbound is not None and self._owner is not None:
            packet = self._inbound.unprotect_rtp(datagram)
            if packet is not None:
                self._owner.peer_rtp(packet, now_s)

    def receive_rtcp(self, datagram: bytes, now_s: float) -> None:
        """Decrypt and hand on; forged or replayed packets vanish, and what exceeds the peer's own budget."""
        if self._inbound is not None and self._owner is not None:
            compound = self._inbound.unprotect_rtcp(datagram)
            if compound is not None and self._feedback.admits(len(compound), now_s):
                self._owner.peer_rtcp(compound, now_s)
