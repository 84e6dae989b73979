"""The engine's settings, typed and checked. Pure; the server reads them from its own settings file."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Everything the media engine can be told; raises ValueError naming the field that makes no sense."""

    bind_host: str = "0.0.0.0"
    port: int = 0
    """0 lets the kernel choose; `MediaEngine.local_port` says which."""
    advertised_ips: tuple[str, ...] = ("127.0.0.1",)
    """Addresses put into the answers' candidates, most wanted first (IPv4 or IPv6 literals)."""
    advertised_port: int | None = None
    """Where a port mapping stands in front; None means the bound port."""
    send_buffer_bytes: int = 4 * 1024 * 1024
    receive_buffer_bytes: int = 4 * 1024 * 1024
    send_queue_packets: int = 1024
    """Packets that wait for a full socket buffer; beyond it the newest is dropped (a NACK repairs it)."""
    packet_writer: Literal["auto", "native", "python"] = "auto"
    """Which packet writer; "auto" takes the native one where it was built."""
    max_viewers: int = 2000
    joins_per_s: int = 300
    """Viewers admitted a second; about half a core's worth, so that those who watch lose nothing in a storm."""
    max_half_open: int = 256
    """Admitted connections whose DTLS handshake is not complete."""
    handshake_timeout_s: float = 10.0
    consent_timeout_s: float = 30.0
    """RFC 7675: a peer that sends no authenticated binding request for so long is gone."""
    publisher_silent_s: float = 2.0
    keyframe_interval_s: float = 1.0
    """At most one keyframe request upstream in so many seconds."""
    max_publisher_bitrate_bps: int = 6_000_000
    ring_packets: int = 1024
    """Video packets kept for retransmission (about 8 s at 1 Mbps); a power of two."""
    ring_bytes: int = 2_000_000
    """Bytes kept for retransmission, for each layer and for the sound."""
    ring_max_age_s: float = 2.0
    retransmissions_per_s: int = 400
    """A viewer's budget of retransmitted packets, so that a NACK flood costs the others nothing."""

    def __post_init__(self) -> None:
        for ip in (*self.advertised_ips, self.bind_host):
            try:
                ipaddress.ip_address(ip)
            except ValueError:
                raise ValueError(f"not an IP address: {ip!r} (advertised_ips, bind_host)") from None
        if not self.advertised_ips:
            raise ValueError("advertised_ips must name at least one address")
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be within 0..65535")
        if self.ring_packets & (self.ring_packets - 1) or self.ring_packets < 64:
            raise ValueError("ring_packets must be a power of two, 64 or more")
        if self.joins_per_s < 1:
            raise ValueError("joins_per_s must be at least 1")
        for name in ("handshake_timeout_s", "consent_timeout_s", "publisher_silent_s", "keyframe_interval_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
