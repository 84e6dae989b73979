"""The packet writer in lean Python: pylibsrtp in place in one buffer, one `sendto` a packet. Does I/O."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from streaming.datagram_sender import DatagramSender, WriterCounters
from streaming.egress import LaneTable, WriterPeer, abs_send_time
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

_HEADER = struct.Struct("!BBHLL")
_EXTENSION = struct.Struct("!HHL")


class PythonPeer(WriterPeer):
    """A peer with its libsrtp context."""

    __slots__ = ("srtp",)

    def __init__(self, srtp: OutboundSrtp, address: Address) -> None:
        super().__init__(address)
        self.srtp = srtp


class PythonPacketWriter:
    """A PacketWriter; `clock` gives the seconds of abs-send-time."""

    def __init__(
        self,
        udp_socket: socket.socket,
        loop: asyncio.AbstractEventLoop,
        queue_packets: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sender = DatagramSender(udp_socket, loop, queue_packets)
        self._sendto = udp_socket.sendto
        self._clock = clock

    @property
    def counters(self) -> WriterCounters:
        """What was done since the writer was made."""
        return self._sender.counters

    def attach(self, keys: SrtpKeys, address: Address) -> WriterPeer:
        """Make the peer's outbound SRTP context."""
        return PythonPeer(OutboundSrtp(keys), address)

    def lane(self, peer: WriterPeer, ssrc: int, payload_type: int) -> Lane[WriterPeer]:
        """Make a lane to a peer."""
        return Lane(peer, ssrc, payload_type)

    def table(self, lanes: Sequence[Lane[WriterPeer]]) -> LaneTable:
        """Lay lanes out for `write`."""
        return LaneTable(lanes)

    def write(self, packet: RelayedPacket, table: LaneTable) -> None:
        """Send one packet to every lane; the loop is written out because it is the program's hottest."""
        payload = packet.payload
        size = len(payload)
        sequence, timestamp, marker = packet.sequence, packet.timestamp, 0x80 if packet.marker else 0
        picture_ids = packet.picture_ids
        sent_at = abs_send_time(self._clock())
        buffer, view, cdata, length = outbound_buffer, outbound_view, outbound_c, outbound_length
        protect, pack_into, sendto = srtp_protect, _HEADER.pack_into, self._sendto
        sender, counters = self._sender, self._sender.counters
        waiting = sender.waiting
        sent = sent_bytes = 0
        starved = -1
        for position, lane in enumerate(table.lanes):
            extension = lane.abs_send_time_id
            start = 20 if extension else 12
            end = start + size
            if end > MAX_PLAIN_BYTES:
                counters.dropped += 1
                continue
            pack_into(
                buffer, 0, 0x90 if extension else 0x80, lane.payload_type | marker,
                (sequence + lane.sequence_delta) & 0xFFFF, (timestamp + lane.timestamp_delta) & 0xFFFFFFFF, lane.ssrc,
            )  # fmt: skip
            if extension:
                _EXTENSION.pack_into(buffer, 12, 0xBEDE, 1, (extension << 28) | (2 << 24) | sent_at)
            buffer[start:end] = payload
            if picture_ids is not None:
                picture_ids.write(buffer, start, lane.picture_id_delta, lane.tl0_delta)
            length[0] = end
            peer: Any = lane.peer
            if protect(peer.srtp.srtp, cdata, length):
                counters.dropped += 1
                continue
            total = length[0]
            if waiting:
                if not sender.queue(bytes(view[:total]), peer.address):
                    starved = position if starved < 0 else starved
                    continue
            else:
                try:
                    sendto(view[:total], peer.address)
                except (BlockingIOError, InterruptedError):
                    if not sender.queue(bytes(view[:total]), peer.address):
                        starved = position if starved < 0 else starved
                        continue
                except OSError:
                    counters.dropped += 1
                    continue
                else:
                    sent += 1
                    sent_bytes += total
            lane.packets += 1
            lane.octets += size
        counters.packets_sent += sent
        counters.bytes_sent += sent_bytes
        if starved > 0:
            table.begin_with(starved)

    def gather(self, packet: RelayedPacket, table: LaneTable) -> None:
        """Send one packet to every lane at once: there is nothing to be won by waiting."""
        self.write(packet, table)

    def flush(self) -> None:
        """Nothing waits."""

    def write_rtp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one finished RTP packet."""
        assert isinstance(peer, PythonPeer)
        self._send_protected(peer.srtp.protect_rtp(packet), peer.address)

    def write_rtcp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one RTCP compound."""
        assert isinstance(peer, PythonPeer)
        self._send_protected(peer.srtp.protect_rtcp(packet), peer.address, vital=True)

    def _send_protected(self, protected: bytes | None, address: Address, *, vital: bool = False) -> None:
        if protected is None:
            self._sender.counters.dropped += 1
        else:
            self._sender.send(protected, address, vital=vital)

    def write_plain(self, datagram: bytes, address: Address) -> None:
        """Send a datagram as it is."""
        self._sender.send(datagram, address, vital=True)

    def close(self) -> None:
        """Forget what still waits."""
        self._sender.close()
