"""The packet writer with one native call a burst: OpenSSL's EVP and `sendmmsg` behind cffi. Does I/O.

Packets that came together leave together: the kernel takes what one burst has for one peer as one message and cuts it
apart (UDP segmentation offload), which halves what sending costs. A lane's numbers live in C and are read and written
through properties, so that nothing is copied a packet. C never keeps a pointer beyond a call: tables hold their lanes,
lanes their peers.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from streaming.datagram_sender import DatagramSender, WriterCounters
from streaming.egress import LaneTable, WriterPeer, abs_send_time
from streaming.egress_native_lanes import NativeLane, NativeLaneTable, NativePeer
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.native.extension import Binding
from streaming.srtp_pylibsrtp import SrtpKeys

logger = logging.getLogger(__name__)

MANY_LANES = 100
"""To so many, one packet takes about as long to send as a frame's last packet may be waited for."""
FRAME_WAIT_S = 0.001


class NativePacketWriter:
    """A PacketWriter; `send` replaces sendmmsg (tests give one that fills up), `clock` is that of abs-send-time."""

    def __init__(
        self,
        binding: Binding,
        udp_socket: socket.socket,
        loop: asyncio.AbstractEventLoop,
        queue_packets: int,
        clock: Callable[[], float] = time.time,
        send: Any = None,
    ) -> None:
        self._binding = binding
        ffi, lib = binding.ffi, binding.lib
        made = lib.wc_writer_new(udp_socket.fileno(), send if send is not None else ffi.NULL)
        if made == ffi.NULL:
            raise MemoryError("the native packet writer's buffers")
        self._c = ffi.gc(made, lib.wc_writer_free)
        self._unsegmented_told = False
        self._packets = ffi.new("wc_packet[]", lib.WC_BURST)
        self._burst: list[RelayedPacket] = []
        self._burst_table: NativeLaneTable | None = None
        self._leaving: asyncio.Handle | None = None
        self._loop = loop
        self._scratch = ffi.new("uint8_t[]", lib.WC_SLOT_BYTES)
        self._sender = DatagramSender(udp_socket, loop, queue_packets)
        self._clock = clock

    @property
    def counters(self) -> WriterCounters:
        """What C and the queue counted, added up."""
        counted, total = self._sender.counters, WriterCounters()
        total.packets_sent = counted.packets_sent + self._c.packets_sent
        total.bytes_sent = counted.bytes_sent + self._c.bytes_sent
        total.dropped = counted.dropped + self._c.dropped
        total.queued = counted.queued
        total.unsegmented = self._c.unsegmented
        return total

    def attach(self, keys: SrtpKeys, address: Address) -> WriterPeer:
        """Derive the session keys and make the peer in C."""
        return NativePeer(self._binding, keys, address)

    def lane(self, peer: WriterPeer, ssrc: int, payload_type: int) -> Lane[WriterPeer]:
        """Make a lane to a peer."""
        assert isinstance(peer, NativePeer)
        return NativeLane(self._binding, peer, ssrc, payload_type)

    def table(self, lanes: Sequence[Lane[WriterPeer]]) -> LaneTable:
        """Lay lanes out as an array of pointers."""
        self.flush()
        return NativeLaneTable(self._binding, lanes)

    def write(self, packet: RelayedPacket, table: LaneTable) -> None:
        """Send one packet to every lane at once."""
        self.gather(packet, table)
        self.flush()

    def gather(self, packet: RelayedPacket, table: LaneTable) -> None:
        """Send one packet with those that came with it, at the loop's next turn.

        A frame that goes to many waits up to a millisecond for its last packet: nobody can decode it before, and
        sending its first packet alone to all of them takes longer.
        """
        assert isinstance(table, NativeLaneTable)
        burst = self._burst
        if burst and (table is not self._burst_table or len(burst) == self._binding.lib.WC_BURST):
            self.flush()
        burst.append(packet)
        self._burst_table = table
        many = table.count >= MANY_LANES
        if many and packet.marker:
            self.flush()
        elif self._leaving is None:
            soon, later = self._loop.call_soon, self._loop.call_later
            self._leaving = later(FRAME_WAIT_S, self.flush) if many else soon(self.flush)

    def flush(self) -> None:
        """Send what was gathered: one call, but where the socket is full."""
        table, count = self._burst_table, len(self._burst)
        if table is None:
            return
        sent_at, from_buffer = abs_send_time(self._clock()), self._binding.ffi.from_buffer
        payloads = [from_buffer(packet.payload) for packet in self._burst]
        for c, packet, payload in zip(self._packets, self._burst, payloads, strict=False):
            _lay_packet(c, packet, payload, sent_at)
        self._forget_burst()
        write, writer, lanes = self._binding.lib.wc_write, self._c, table.count
        done = write(writer, self._packets, count, table.pointers, lanes, 0, bool(self._sender.waiting))
        starved = None
        while writer.pending_end:
            struck = self._queue_pending(table)
            starved = struck if starved is None else starved
            done = write(writer, self._packets, count, table.pointers, lanes, done, True)
        if starved:
            table.begin_with(starved)
        if writer.unsegmented and not self._unsegmented_told:
            self._unsegmented_told = True
            logger.warning(
                "the way to a viewer carries no segmented UDP (EIO): packets go there one by one; "
                "media_unsegmented counts the others"
            )

    def _forget_burst(self) -> None:
        self._burst.clear()
        self._burst_table = None
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _queue_pending(self, table: NativeLaneTable) -> int | None:
        """Queue what the socket did not take; returns the position of the first lane for which there was no room."""
        starved: int | None = None
        writer, buffer = self._c, self._binding.ffi.buffer
        for position in range(writer.pending_first, writer.pending_end):
            slot = writer.slots[position]
            lane = table.lanes[slot.lane]
            if self._sender.queue(buffer(slot.data, slot.bytes)[:], lane.peer.address):
                lane.packets += 1
                lane.octets += slot.payload_bytes
            elif starved is None:
                starved = int(slot.lane)
        return starved

    def write_rtp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one finished RTP packet."""
        assert isinstance(peer, NativePeer)
        self.flush()
        self._send_protected(self._binding.lib.wc_protect_rtp(peer.c, packet, len(packet), self._scratch), peer)

    def write_rtcp(self, peer: WriterPeer, packet: bytes) -> None:
        """Protect and send one RTCP compound."""
        assert isinstance(peer, NativePeer)
        self.flush()
        size = self._binding.lib.wc_protect_rtcp(peer.c, packet, len(packet), self._scratch)
        self._send_protected(size, peer, vital=True)

    def _send_protected(self, size: int, peer: WriterPeer, *, vital: bool = False) -> None:
        if size < 0:
            self._sender.counters.dropped += 1
        else:
            self._sender.send(self._binding.ffi.buffer(self._scratch, size)[:], peer.address, vital=vital)

    def write_plain(self, datagram: bytes, address: Address) -> None:
        """Send a datagram as it is."""
        self.flush()
        self._sender.send(datagram, address, vital=True)

    def close(self) -> None:
        """Forget what still waits."""
        self._forget_burst()
        self._sender.close()


def _lay_packet(c: Any, packet: RelayedPacket, payload: Any, sent_at: int) -> None:
    c.payload, c.payload_bytes = payload, len(packet.payload)
    c.sequence, c.timestamp, c.marker = packet.sequence & 0xFFFF, packet.timestamp, packet.marker
    c.abs_send_time = sent_at
    ids = packet.picture_ids
    c.picture_id_bytes = c.tl0_at = 0
    if ids is not None:
        c.picture_id_bytes, c.picture_id_at, c.picture_id = ids.picture_id_bytes, ids.picture_id_at, ids.picture_id
        c.tl0_at, c.tl0 = ids.tl0_at, ids.tl0
