"""Sends single datagrams on the one UDP socket, and keeps what a full socket did not take in one bounded queue. I/O.

Both packet writers stand on it, so that order and overflow are the same whichever is active.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque

from streaming.ice_lite import Address

logger = logging.getLogger(__name__)

RESERVED_PACKETS = 64
"""Room behind a full queue for what sessions live by: STUN answers (consent), DTLS, RTCP."""


class WriterCounters:
    """What a writer did since it was made: plain integers."""

    __slots__ = ("bytes_sent", "dropped", "packets_sent", "queued", "unsegmented")

    def __init__(self) -> None:
        self.packets_sent = 0
        """Packets handed to the kernel or queued."""
        self.bytes_sent = 0
        self.queued = 0
        """Packets that had to wait for the socket."""
        self.dropped = 0
        """Packets given up: queue full, refused by the kernel or by SRTP, too long."""
        self.unsegmented = 0
        """Addresses that get a burst packet by packet, as the way there takes no segmented UDP (native writer)."""


class DatagramSender:
    """Keeps order across a full socket; overflow drops the newest and counts it. Never blocks or raises."""

    def __init__(self, udp_socket: socket.socket, loop: asyncio.AbstractEventLoop, queue_packets: int) -> None:
        self.counters = WriterCounters()
        self.waiting: deque[tuple[bytes, Address]] = deque()
        """What waits for the socket; read-only for others. Not empty: nothing may overtake it."""
        self._socket = udp_socket
        self._sendto = udp_socket.sendto
        self._loop = loop
        self._capacity = queue_packets
        self._watching = False

    def send(self, datagram: bytes | memoryview, address: Address, *, vital: bool = False) -> bool:
        """Send or queue; says whether it was taken. `datagram` may be reused after the call."""
        if self.waiting:
            return self.queue(bytes(datagram), address, vital=vital)
        try:
            self._sendto(datagram, address)
        except (BlockingIOError, InterruptedError):
            return self.queue(bytes(datagram), address, vital=vital)
        except OSError as error:
            logger.debug("the kernel refused a datagram: %s", error)
            self.counters.dropped += 1
            return False
        self.counters.packets_sent += 1
        self.counters.bytes_sent += len(datagram)
        return True

    def queue(self, datagram: bytes, address: Address, *, vital: bool = False) -> bool:
        """Let a datagram wait until the socket is writable; says whether there was room. `vital`: not media."""
        if len(self.waiting) >= self._capacity + (RESERVED_PACKETS if vital else 0):
            self.counters.dropped += 1
            return False
        self.counters.queued += 1
        self.counters.packets_sent += 1
        self.counters.bytes_sent += len(datagram)
        self.waiting.append((datagram, address))
        self._watch(True)
        return True

    def close(self) -> None:
        """Forget what still waits."""
        self.waiting.clear()
        self._watch(False)

    def _watch(self, wanted: bool) -> None:
        if wanted == self._watching:
            return
        self._watching = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _flush(self) -> None:
        while self.waiting:
            datagram, address = self.waiting[0]
            try:
                self._sendto(datagram, address)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.counters.dropped += 1
            self.waiting.popleft()
        self._watch(False)
