"""How one publisher's packets become one unbroken stream at each viewer. Pure; no I/O.

Two steps. A `Splice` maps whichever source is sending now onto the broadcast's own line of sequence numbers and
timestamps, once a packet. A `Lane` maps that line onto one viewer by constant offsets, so that the packet writer
only adds and masks. Sequence numbers on the broadcast's line are unwrapped integers; they never repeat.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from streaming.vp8_descriptor import PICTURE_ID_MODULUS, TL0_MODULUS, PictureIds

PeerT = TypeVar("PeerT")
"""What the packet writer knows of a viewer: the pure part only carries it along."""

MAX_SEQUENCE_JUMP = 3000
"""RFC 3550 A.1 MAX_DROPOUT: a larger step means that the source began anew."""


def signed_16(difference: int) -> int:
    """Read a difference of 16-bit sequence numbers as the shorter way round, -32768..32767."""
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


class RelayedPacket:
    """A media packet on the broadcast's line: what all viewers share. Never changed after it was made."""

    __slots__ = ("arrived_s", "keyframe_start", "marker", "payload", "picture_ids", "sequence", "timestamp")

    def __init__(
        self,
        sequence: int,
        timestamp: int,
        payload: bytes,
        marker: bool,
        keyframe_start: bool,
        arrived_s: float,
        picture_ids: PictureIds | None = None,
    ) -> None:
        self.sequence = sequence
        self.timestamp = timestamp
        self.payload = payload
        self.marker = marker
        self.keyframe_start = keyframe_start
        self.arrived_s = arrived_s
        self.picture_ids = picture_ids
        """Set where viewers may come from another layer, whose picture ids are others."""


class Splice:
    """Joins sources that follow one another into one continuous line of sequence numbers and timestamps.

    A source is a publisher's SSRC during one connection. When it changes, or jumps, the next sequence number follows
    the highest given out, and the timestamp advances by the time that really passed (at least one tick): otherwise
    viewers' SRTP and jitter buffers drop what comes as too old.
    """

    __slots__ = (
        "_arrived_s",
        "_clock_rate",
        "_first",
        "_highest",
        "_last_timestamp",
        "_offset",
        "_source",
        "timestamp_delta",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._source: object = None
        self._first = 0
        self._highest = 0
        self._offset = 0
        self._last_timestamp = 0
        self._arrived_s: float | None = None
        self.timestamp_delta = 0
        """Broadcast timestamp minus the current source's, modulo 2^32."""

    @property
    def highest(self) -> int:
        """The highest sequence number given out, 0 before the first."""
        return self._highest

    def place(self, source: object, sequence: int, timestamp: int, now_s: float) -> tuple[int, int] | None:
        """Give (sequence, timestamp) on the broadcast's line; None for a packet from before the source's start."""
        step = signed_16(sequence - self._highest - self._offset)
        if source != self._source or not -MAX_SEQUENCE_JUMP <= step <= MAX_SEQUENCE_JUMP:
            self._begin(source, sequence, timestamp, now_s)
            step = 0
        placed = self._highest + step
        if placed < self._first:
            return None
        mapped = (timestamp + self.timestamp_delta) & 0xFFFFFFFF
        if step >= 0:
            self._highest, self._last_timestamp, self._arrived_s = placed, mapped, now_s
        return placed, mapped

    def _begin(self, source: object, sequence: int, timestamp: int, now_s: float) -> None:
        self._source = source
        self._highest += 1
        self._first = self._highest
        self._offset = sequence - self._highest
        if self._arrived_s is None:
            start = timestamp
        else:
            start = self._last_timestamp + max(1, int((now_s - self._arrived_s) * self._clock_rate))
        self.timestamp_delta = (start - timestamp) & 0xFFFFFFFF


class Lane(Generic[PeerT]):
    """One stream (audio or video) to one viewer: offsets from a line that change at keyframes only, and counters.

    `sequence_delta` and `timestamp_delta` are added modulo 2^16 and 2^32, `picture_id_delta` and `tl0_delta` modulo
    2^15 and 2^8. The viewer's first sequence number should be below 2^15, so that a lost first packet cannot set the
    two ends' SRTP roll-over counters apart (RFC 3711 §3.3.1).
    """

    __slots__ = (
        "abs_send_time_id",
        "octets",
        "packets",
        "payload_type",
        "peer",
        "picture_id_delta",
        "sequence_delta",
        "ssrc",
        "timestamp_delta",
        "tl0_delta",
    )

    def __init__(self, peer: PeerT, ssrc: int, payload_type: int) -> None:
        self.peer = peer
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence_delta = 0
        self.timestamp_delta = 0
        self.picture_id_delta = 0
        self.tl0_delta = 0
        self.abs_send_time_id = 0
        """The id (1..14) under which the peer takes abs-send-time; 0 sends none."""
        self.packets = 0
        self.octets = 0

    def begin(
        self, packet: RelayedPacket, first_sequence: int, first_timestamp: int, first_ids: tuple[int, int] | None = None
    ) -> None:
        """Let `packet` leave as (first_sequence, first_timestamp); later packets keep their distance from it.

        `first_ids` are the picture id and TL0PICIDX that it is to carry; None leaves them as they come.
        """
        self.sequence_delta = (first_sequence - packet.sequence) & 0xFFFF
        self.timestamp_delta = (first_timestamp - packet.timestamp) & 0xFFFFFFFF
        ids = packet.picture_ids
        if first_ids is None or ids is None:
            self.picture_id_delta = self.tl0_delta = 0
        else:
            self.picture_id_delta = (first_ids[0] - ids.picture_id) % PICTURE_ID_MODULUS
            self.tl0_delta = (first_ids[1] - ids.tl0) % TL0_MODULUS

    def sequence_of(self, packet: RelayedPacket) -> int:
        """The sequence number under which this viewer sees `packet`."""
        return (packet.sequence + self.sequence_delta) & 0xFFFF

    def timestamp_of(self, timestamp: int) -> int:
        """The timestamp under which this viewer sees a broadcast timestamp."""
        return (timestamp + self.timestamp_delta) & 0xFFFFFFFF

    def payload_of(self, packet: RelayedPacket) -> bytes:
        """The payload as this viewer sees it."""
        if packet.picture_ids is None:
            return packet.payload
        payload = bytearray(packet.payload)
        packet.picture_ids.write(payload, 0, self.picture_id_delta, self.tl0_delta)
        return bytes(payload)

    def broadcast_sequence(self, sequence: int, highest: int) -> int:
        """Find the broadcast sequence number behind a viewer's 16-bit one, taking the one nearest below `highest`."""
        return highest - ((highest + self.sequence_delta - sequence) & 0xFFFF)
