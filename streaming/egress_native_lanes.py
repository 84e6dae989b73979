"""A peer, a lane and a table of lanes whose numbers live in C, read and written through properties. Memory, no I/O."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from streaming.egress import LaneTable, WriterPeer
from streaming.forwarding import Lane
from streaming.ice_lite import Address
from streaming.native.extension import Binding
from streaming.srtp_pylibsrtp import SrtpKeys


class NativePeer(WriterPeer):
    """A peer with its keys and address in C."""

    __slots__ = ("_address", "_binding", "c")

    def __init__(self, binding: Binding, keys: SrtpKeys, address: Address) -> None:
        ffi, lib = binding.ffi, binding.lib
        session = ffi.new("wc_session_keys *")
        made = ffi.NULL
        if lib.wc_derive(keys.profile.value, keys.outbound, len(keys.outbound), session) == 0:
            made = lib.wc_peer_new(keys.profile.value, session)
        ffi.buffer(session)[:] = bytes(ffi.sizeof("wc_session_keys"))
        if made == ffi.NULL:
            raise ValueError("OpenSSL refused the keys")
        self._binding = binding
        self.c = ffi.gc(made, lib.wc_peer_free)
        super().__init__(address)

    @property
    def address(self) -> Address:
        """Where the peer is reached; one that is no IP address is never sent to."""
        return self._address

    @address.setter
    def address(self, address: Address) -> None:
        self._address = address
        host, _, _ = address[0].partition("%")
        try:
            ip = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except OSError:
            ip = b""
        flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
        self._binding.lib.wc_peer_address(self.c, ip, len(ip), address[1], flow, scope)


class NativeLane(Lane[WriterPeer]):
    """A lane whose offsets and counters live in C."""

    __slots__ = ("c",)

    def __init__(self, binding: Binding, peer: NativePeer, ssrc: int, payload_type: int) -> None:
        self.c = binding.ffi.new("wc_lane *")
        self.c.peer = peer.c
        self.c.stream = binding.lib.wc_stream_of(peer.c, ssrc)
        assert self.c.stream != binding.ffi.NULL, "a peer has at most eight SSRCs"
        super().__init__(peer, ssrc, payload_type)

    @property
    def payload_type(self) -> int:
        """As in Lane."""
        return int(self.c.payload_type)

    @payload_type.setter
    def payload_type(self, value: int) -> None:
        self.c.payload_type = value

    @property
    def sequence_delta(self) -> int:
        """As in Lane."""
        return int(self.c.sequence_delta)

    @sequence_delta.setter
    def sequence_delta(self, value: int) -> None:
        self.c.sequence_delta = value

    @property
    def timestamp_delta(self) -> int:
        """As in Lane."""
        return int(self.c.timestamp_delta)

    @timestamp_delta.setter
    def timestamp_delta(self, value: int) -> None:
        self.c.timestamp_delta = value

    @property
    def picture_id_delta(self) -> int:
        """As in Lane."""
        return int(self.c.picture_id_delta)

    @picture_id_delta.setter
    def picture_id_delta(self, value: int) -> None:
        self.c.picture_id_delta = value

    @property
    def tl0_delta(self) -> int:
        """As in Lane."""
        return int(self.c.tl0_delta)

    @tl0_delta.setter
    def tl0_delta(self, value: int) -> None:
        self.c.tl0_delta = value

    @property
    def abs_send_time_id(self) -> int:
        """As in Lane."""
        return int(self.c.abs_send_time_id)

    @abs_send_time_id.setter
    def abs_send_time_id(self, value: int) -> None:
        self.c.abs_send_time_id = value

    @property
    def packets(self) -> int:
        """As in Lane."""
        return int(self.c.packets)

    @packets.setter
    def packets(self, value: int) -> None:
        self.c.packets = value

    @property
    def octets(self) -> int:
        """As in Lane."""
        return int(self.c.octets)

    @octets.setter
    def octets(self, value: int) -> None:
        self.c.octets = value


class NativeLaneTable(LaneTable):
    """The same lanes as an array of pointers."""

    __slots__ = ("count", "pointers")

    def __init__(self, binding: Binding, lanes: Sequence[Lane[WriterPeer]]) -> None:
        super().__init__(lanes)
        self.count = len(self.lanes)
        self.pointers = binding.ffi.new("wc_lane *[]", [_native(lane).c for lane in self.lanes])

    def begin_with(self, position: int) -> None:
        """As in LaneTable, between two calls of C."""
        super().begin_with(position)
        for index, lane in enumerate(self.lanes):
            self.pointers[index] = _native(lane).c


def _native(lane: Lane[WriterPeer]) -> NativeLane:
    assert isinstance(lane, NativeLane), "lanes come from the writer that sends on them"
    return lane
