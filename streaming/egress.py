"""The packet writer's port: rewrites, protects and sends a packet to all its viewers. Pure: the writers do the I/O.

Two writers stand behind it with identical output, `egress_python.py` and `egress_native.py`; one contract suite holds
both (`tests/streaming/test_egress*.py`), and `egress_choice.py` picks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streaming.datagram_sender import WriterCounters
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.srtp_pylibsrtp import SrtpKeys


class WriterPeer:
    """One peer as a writer made it; `address` may be changed at any time and holds from the next packet on."""

    __slots__ = ("address",)

    def __init__(self, address: Address) -> None:
        self.address = address


class LaneTable:
    """The lanes one packet goes to, as a writer laid them out; the set is fixed, the lanes' own fields may change."""

    __slots__ = ("lanes",)

    def __init__(self, lanes: Sequence[Lane[WriterPeer]]) -> None:
        self.lanes = tuple(lanes)

    def begin_with(self, position: int) -> None:
        """Turn the lanes round, so that the next packet goes to the one at `position` first."""
        self.lanes = self.lanes[position:] + self.lanes[:position]


class PacketWriter(Protocol):
    """Sends to many peers without ever blocking, awaiting or raising. Peers, lanes and tables are its own makes.

    Order: packets to one peer leave in the order of the calls, also across a full socket. Loss: a packet that finds the
    socket full waits in one bounded queue; where that is full too the newest packet is dropped and counted, and no
    other peer's packets wait for it. The first lane that this strikes is the first to be served by the next call, so
    that the same ones do not always go short; RTCP and plain datagrams have room of their own behind it. Atomicity:
    each lane's counters count only packets handed to the kernel or queued. A lane left out of the next table is never
    written to after the call that is running. What was gathered leaves before any other call does its work; who changes
    a lane that stands in a table calls `flush` first.
    """

    @property
    def counters(self) -> WriterCounters:
        """What was done since the writer was made."""
        ...

    def attach(self, keys: SrtpKeys, address: Address) -> WriterPeer:
        """Make the peer's outbound SRTP context."""
        ...

    def lane(self, peer: WriterPeer, ssrc: int, payload_type: int) -> Lane[WriterPeer]:
        """Make a lane to a peer; a peer has at most eight SSRCs, retransmission's and RTCP's among them."""
        ...

    def table(self, lanes: Sequence[Lane[WriterPeer]]) -> LaneTable:
        """Lay lanes out for `write`; made anew when the set changes."""
        ...

    def write(self, packet: RelayedPacket, table: LaneTable) -> None:
        """Send one packet to every lane, each with its own SSRC, sequence number, timestamp and payload type."""
        ...

    def gather(self, packet: RelayedPacket, table: LaneTable) -> None:
        """As `write`, but together with the packets that came with it, within two milliseconds."""
        ...

    def flush(self) -> None:
        """Send what was gathered."""
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


def abs_send_time(now_s: float) -> int:
    """Seconds as 24-bit 6.18 fixed point, as the abs-send-time extension carries them."""
    return int(now_s * (1 << 18)) & 0xFFFFFF
