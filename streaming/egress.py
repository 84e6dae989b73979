"""The packet writer: rewrites, protects and sends a packet to all its viewers. The port, and its pure-Python writer.

The native writer of later work stands behind the same port and passes the same contract tests. Does I/O: it sends on
the one UDP socket, which it shares with the port and never closes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.srtp_pylibsrtp import (
    MAX_PLAIN_BYTES,
    OutboundSrtp,
    SrtpKeys,
    outbound_buffer,
    outbound_c,
    outbound_length,
    outbound_view,
    srtp_protect,
)

logger = logging.getLogger(__name__)

_HEADER = struct.Struct("!BBHLL")


class WriterPeer:
    """One peer as a writer made it; `address` may be changed at any time and holds from the next packet on."""

    __slots__ = ("address", "srtp")

    def __init__(self, srtp: OutboundSrtp, address: Address) -> None:
        self.srtp = srtp
        self.address = address


class WriterCounters:
    """What a writer did since it was made; plain integers, read by `snapshot`."""

    __slots__ = ("bytes_sent", "dropped", "packets_sent", "queued")

    def __init__(self) -> None:
        self.packets_sent = 0
        self.bytes_sent = 0
        self.queued = 0
        """Packets that had to wait for the socket."""
        self.dropped = 0
        """Packets given up: queue full, refused by the kernel or by libsrtp, too long."""


class PacketWriter(Protocol):
    """Sends to many peers without ever blocking, awaiting or raising.

    Order: packets to one peer leave in the order of the calls, also across a full socket. Loss: a packet that finds the
    socket full waits in one bounded queue; where that is full too the newest packet is dropped and counted, and no
    other peer's packets wait for it. Atomicity: each lane's counters count only packets handed to the kernel or queued.
    A lane removed from the caller's list is never written to after the call that is running.
    """

    counters: WriterCounters

    def attach(self, keys: SrtpKeys, address: Address) -> WriterPeer:
        """Make the peer's outbound SRTP context."""
        ...

    def write(self, packet: RelayedPacket, lanes: Sequence[Lane[WriterPeer]]) -> None:
        """Send one packet to every lane, each with its own SSRC, sequence number, timestamp and payload type."""
        ...

    def write_rtp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one finished RTP packet (a retransmission)."""
        ...

    def write_rtcp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one RTCP compound."""
        ...

    def write_plain(self, datagram: bytes, address: Address) -> None:
        """Send a datagram as it is (STUN, DTLS)."""
        ...

    def close(self) -> None:
        """Forget what still waits; no call may follow."""
        ...


class PythonPacketWriter:
    """The writer in lean Python: pylibsrtp in place in one buffer, one `sendto` a packet."""

    def __init__(self, udp_socket: socket.socket, loop: asyncio.AbstractEventLoop, queue_packets: int) -> None:
        self._socket = udp_socket
        self._sendto = udp_socket.sendto
        self._loop = loop
        self._capacity = queue_packets
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self._watching = False
        self.counters = WriterCounters()

    def attach(self, keys: SrtpKeys, address: Address) -> WriterPeer:
        """Make the peer's outbound SRTP context."""
        return WriterPeer(OutboundSrtp(keys), address)

    def write(self, packet: RelayedPacket, lanes: Sequence[Lane[WriterPeer]]) -> None:
        """Send one packet to every lane; the loop is written out because it is the program's hottest."""
        payload = packet.payload
        size = len(payload)
        end = 12 + size
        if end > MAX_PLAIN_BYTES:
            self.counters.dropped += len(lanes)
            return
        sequence, timestamp, marker = packet.sequence, packet.timestamp, 0x80 if packet.marker else 0
        buffer, view, cdata, length = outbound_buffer, outbound_view, outbound_c, outbound_length
        protect, pack_into, sendto, waiting = srtp_protect, _HEADER.pack_into, self._sendto, self._waiting
        sent = sent_bytes = 0
        for lane in lanes:
            pack_into(
                buffer, 0, 0x80, lane.payload_type | marker, (sequence + lane.sequence_delta) & 0xFFFF,
                (timestamp + lane.timestamp_delta) & 0xFFFFFFFF, lane.ssrc,
            )  # fmt: skip
            buffer[12:end] = payload
            length[0] = end
            peer = lane.peer
            if protect(peer.srtp.srtp, cdata, length):
                self.counters.dropped += 1
                continue
            total = length[0]
            if waiting:
                self._enqueue(bytes(view[:total]), peer.address)
            else:
                try:
                    sendto(view[:total], peer.address)
                except (BlockingIOError, InterruptedError):
                    self._enqueue(bytes(view[:total]), peer.address)
                except OSError:
                    self.counters.dropped += 1
                    continue
            sent += 1
            sent_bytes += total
            lane.packets += 1
            lane.octets += size
        self.counters.packets_sent += sent
        self.counters.bytes_sent += sent_bytes

    def write_rtp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one finished RTP packet."""
        self._send_protected(peer.srtp.protect_rtp(packet), peer.address)

    def write_rtcp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one RTCP compound."""
        self._send_protected(peer.srtp.protect_rtcp(packet), peer.address)

    def _send_protected(self, protected: bytes | None, address: Address) -> None:
        if protected is None:
            self.counters.dropped += 1
        else:
            self.write_plain(protected, address)

    def write_plain(self, datagram: bytes, address: Address) -> None:
        """Send a datagram as it is."""
        if self._waiting:
            self._enqueue(datagram, address)
            return
        try:
            self._sendto(datagram, address)
        except (BlockingIOError, InterruptedError):
            self._enqueue(datagram, address)
        except OSError as error:
            logger.debug("the kernel refused a datagram: %s", error)
            self.counters.dropped += 1
        else:
            self.counters.packets_sent += 1
            self.counters.bytes_sent += len(datagram)

    def close(self) -> None:
        """Forget what still waits."""
        self._waiting.clear()
        self._watch(False)

    def _enqueue(self, datagram: bytes, address: Address) -> None:
        if len(self._waiting) >= self._capacity:
            self.counters.dropped += 1
            return
        self.counters.queued += 1
        self._waiting.append((datagram, address))
        self._watch(True)

    def _watch(self, wanted: bool) -> None:
        if wanted == self._watching:
            return
        self._watching = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _flush(self) -> None:
        while self._waiting:
            datagram, address = self._waiting[0]
            try:
                self._sendto(datagram, address)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.counters.dropped += 1
            self._waiting.popleft()
        self._watch(False)
