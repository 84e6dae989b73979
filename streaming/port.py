"""The one UDP socket: STUN finds its session by ufrag, everything else by address (RFC 7983). Does I/O.

A raw non-blocking socket with `add_reader` rather than a DatagramProtocol: one call less a packet, and the writer can
see EAGAIN. Packets from addresses that never authenticated cost one dictionary look-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from streaming.errors import MalformedPacket
from streaming.ice_lite import Address, IceLiteAgent, parse_stun
from streaming.rtp import is_rtcp

logger = logging.getLogger(__name__)

_RECEIVE_BYTES = 2048
_BATCH = 64
"""Datagrams read before the loop's other work gets its turn."""
MAX_ADDRESSES = 8
"""Addresses a session may hold at once (its network changes, it has several candidates); the oldest gives way."""


_SO_TIMESTAMPNS = 35
_ANCILLARY_BYTES = 64
_TIMESPEC = struct.Struct("@qq")
_MAX_WAIT_S = 5.0
Ancillary = Sequence[tuple[int, int, bytes]]


class Endpoint(Protocol):
    """A session as the port sees it. None of the calls may block or await."""

    ice: IceLiteAgent

    def addressed(self, address: Address, *, nominated: bool, now_s: float) -> None:
        """The peer proved by STUN that it is at `address`."""
        ...

    def receive_dtls(self, datagram: bytes) -> None: ...

    def receive_rtp(self, datagram: bytes, now_s: float) -> None: ...

    def receive_rtcp(self, datagram: bytes, now_s: float) -> None: ...


class PortCounters:
    """What came in, by what became of it."""

    __slots__ = ("bytes_received", "malformed", "packets_received", "stun_rejected", "unknown_address", "unknown_ufrag")

    def __init__(self) -> None:
        self.packets_received = 0
        self.bytes_received = 0
        self.unknown_address = 0
        self.unknown_ufrag = 0
        self.stun_rejected = 0
        self.malformed = 0


class MediaPort:
    """Owns the socket and the two tables; `respond` sends STUN answers."""

    def __init__(
        self, bind_host: str, port: int, *, send_buffer_bytes: int, receive_buffer_bytes: int,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.socket = _open_socket(bind_host, port)
        self.send_buffer_bytes = _set_buffer(self.socket, socket.SO_SNDBUF, send_buffer_bytes)
        self.receive_buffer_bytes = _set_buffer(self.socket, socket.SO_RCVBUF, receive_buffer_bytes)
        self.local_port: int = self.socket.getsockname()[1]
        self.counters = PortCounters()
        self._clock = clock
        self._by_ufrag: dict[str, Endpoint] = {}
        self._by_address: dict[Address, Endpoint] = {}
        self._addresses: dict[Endpoint, list[Address]] = {}
        self._respond: Callable[[bytes, Address], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop, respond: Callable[[bytes, Address], None]) -> None:
        """Begin to read."""
        self._loop, self._respond = loop, respond
        loop.add_reader(self.socket.fileno(), self._readable)

    def stop(self) -> None:
        """Stop reading and close the socket."""
        if self._loop is not None:
            self._loop.remove_reader(self.socket.fileno())
            self._loop = None
        self.socket.close()

    def register(self, endpoint: Endpoint) -> None:
        """Route STUN that names the endpoint's ufrag to it."""
        self._addresses[endpoint] = []
        self.reroute(endpoint)

    def reroute(self, endpoint: Endpoint, replaced: str | None = None) -> None:
        """Route every ufrag that the endpoint answers to, and `replaced` no longer (ICE restart)."""
        self._by_ufrag.pop(replaced or "", None)
        for ufrag in endpoint.ice.ufrags:
            assert self._by_ufrag.get(ufrag, endpoint) is endpoint, "ufrags are unguessable and never repeat"
            self._by_ufrag[ufrag] = endpoint

    def unregister(self, endpoint: Endpoint) -> None:
        """Forget the endpoint and every address it holds."""
        for ufrag in endpoint.ice.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in self._addresses.pop(endpoint, []):
            if self._by_address.get(address) is endpoint:
                del self._by_address[address]

    def _readable(self) -> None:
        receive = self.socket.recvmsg
        for _ in range(_BATCH):
            try:
                datagram, ancillary, _, address = receive(_RECEIVE_BYTES, _ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                logger.debug("receiving failed: %s", error)
                return
            try:
                self._dispatch(datagram, address, ancillary)
            except Exception:
                # The task boundary of the packet path: one peer's packet must not stop the port for the others.
                logger.exception("a packet could not be handled")

    def _dispatch(self, datagram: bytes, address: Address, ancillary: Ancillary = ()) -> None:
        counters = self.counters
        counters.packets_received += 1
        counters.bytes_received += len(datagram)
        if len(datagram) < 12:
            counters.malformed += 1
            return
        first = datagram[0]
        if first < 4:
            self._dispatch_stun(datagram, address)
            return
        endpoint = self._by_address.get(address)
        if endpoint is None:
            counters.unknown_address += 1
        elif 128 <= first < 192:
            if is_rtcp(datagram):
                endpoint.receive_rtcp(datagram, self._clock())
            else:
                endpoint.receive_rtp(datagram, self._clock() - _waited_s(ancillary))
        elif 20 <= first < 64:
            endpoint.receive_dtls(datagram)
        else:
            counters.malformed += 1

    def _dispatch_stun(self, datagram: bytes, address: Address) -> None:
        try:
            message = parse_stun(datagram)
        except MalformedPacket:
            self.counters.malformed += 1
            return
        endpoint = self._by_ufrag.get(message.local_ufrag or "")
        if endpoint is None:
            self.counters.unknown_ufrag += 1
            return
        now_s = self._clock()
        outcome = endpoint.ice.handle(message, address, now_s)
        if outcome.authenticated:
            self._learn(endpoint, address)
            self._by_ufrag.pop(outcome.retired_ufrag or "", None)
            endpoint.addressed(address, nominated=outcome.nominated, now_s=now_s)
        elif outcome.response is None:
            self.counters.stun_rejected += 1
        if outcome.response is not None and self._respond is not None:
            self._respond(outcome.response, address)

    def _learn(self, endpoint: Endpoint, address: Address) -> None:
        if self._by_address.get(address) is endpoint:
            return
        held = self._addresses[endpoint]
        if address in held:
            held.remove(address)  # another session had taken it; it is the newest again
        held.append(address)
        self._by_address[address] = endpoint
        if len(held) > MAX_ADDRESSES:
            oldest = held.pop(0)
            if self._by_address.get(oldest) is endpoint:
                del self._by_address[oldest]


def _waited_s(ancillary: Ancillary) -> float:
    """How long a datagram waited in the kernel before we read it, 0 where the kernel does not say.

    Senders' bandwidth estimates rest on true arrival times: when a packet goes to hundreds of viewers, the ones behind
    it would seem to come late, and Chrome would send less.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            waited_s = time.time() - seconds - nanoseconds / 1e9
            return waited_s if 0 < waited_s < _MAX_WAIT_S else 0.0
    return 0.0


def _open_socket(bind_host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind_host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.bind((bind_host, port))
    except OSError:
        opened.close()
        raise
    return opened


def _set_buffer(udp_socket: socket.socket, option: int, wanted: int) -> int:
    """Ask for a buffer, beyond the system's limit where this process may; returns what the kernel really gave."""
    if sys.platform == "linux":
        force = {socket.SO_SNDBUF: 32, socket.SO_RCVBUF: 33}[option]  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
        with contextlib.suppress(OSError):
            udp_socket.setsockopt(socket.SOL_SOCKET, force, wanted)
            return udp_socket.getsockopt(socket.SOL_SOCKET, option)
    udp_socket.setsockopt(socket.SOL_SOCKET, option, wanted)
    return udp_socket.getsockopt(socket.SOL_SOCKET, option)
