"""One remote end, publisher or viewer: ICE-lite, DTLS, SRTP. Composes; its I/O goes through the port and the writer.

Life: admitted → reachable (authenticated STUN) → connected (keys) → closed. `establish` runs the first two, bounded in
time; after it no task of ours belongs to the connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from streaming.dtls_aiortc import DtlsServer, SharedCertificate
from streaming.egress import PacketWriter, WriterPeer
from streaming.ice_lite import Address, IceLiteAgent
from streaming.port import MediaPort
from streaming.srtp_pylibsrtp import InboundSrtp
from streaming.task_owner import TaskOwner

logger = logging.getLogger(__name__)


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
        tasks: TaskOwner,
    ) -> None:
        self.ice = ice
        self.address: Address | None = None
        self.writer_peer: WriterPeer | None = None
        self.closed = False
        self._inbound: InboundSrtp | None = None
        self._port = port
        self._writer = writer
        self._tasks = tasks
        self._owner: PeerOwner | None = None
        self._on_connected: Callable[[], None] = lambda: None
        self._on_closed: Callable[[], None] = lambda: None
        self._reachable = asyncio.Event()
        self._establishing: asyncio.Task[None] | None = None
        self._dtls = DtlsServer(certificate, fingerprints, self._send_dtls, lambda: self.close("peer_closed"))

    @property
    def connected(self) -> bool:
        """True between the end of the handshake and the close."""
        return self.writer_peer is not None and not self.closed

    def admit(self, owner: PeerOwner, timeout_s: float) -> None:
        """Register with the port and let the peer connect within `timeout_s`."""
        self._owner = owner
        self._port.register(self)
        self._establishing = self._tasks.spawn(self._establish(timeout_s), f"establish-{self.ice.ufrag}")

    def watch(self, connected: Callable[[], None], closed: Callable[[], None]) -> None:
        """Have the engine's table told of both, before the owner is."""
        self._on_connected, self._on_closed = connected, closed

    def close(self, reason: str) -> None:
        """End the session at once; close_notify goes out and all that it held is freed."""
        if self.closed:
            return
        self.closed = True
        self._port.unregister(self)
        if self._establishing is not None and self._establishing is not asyncio.current_task():
            self._establishing.cancel()
        self._tasks.spawn(self._dtls.stop(), f"close-{self.ice.ufrag}")
        self._on_closed()
        if self._owner is not None:
            self._owner.peer_closed(reason)

    async def _establish(self, timeout_s: float) -> None:
        reason = "handshake_failed"
        try:
            async with asyncio.timeout(timeout_s):
                await self._reachable.wait()
                keys = await self._dtls.handshake(timeout_s)
        except TimeoutError:
            keys, reason = None, "handshake_timeout"
        if self.closed:
            return
        if keys is None or self.address is None:
            self.close(reason)
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
        self._reachable.set()

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
        """Decrypt and hand on; forged or replayed packets vanish."""
        if self._inbound is not None and self._owner is not None:
            compound = self._inbound.unprotect_rtcp(datagram)
            if compound is not None:
                self._owner.peer_rtcp(compound, now_s)
