"""The newest group of pictures: a viewer who joins sees it at once and is led back to the live edge. Pure.

A group is cached while it is short; a long one would delay its viewer or flood the network, and a keyframe request is
cheaper. Cached frames leave with their timestamps drawn together to just before the newest frame: the decoder runs
through them as fast as it can and the viewer is at the live edge when the last has come.
"""

from __future__ import annotations

from streaming.forwarding import RelayedPacket

MAX_GROUP_S = 1.5
MAX_GROUP_PACKETS = 512
MAX_GROUP_BYTES = 1_000_000
MAX_SILENCE_S = 0.5
"""A stream that pauses longer is no longer live: its group is not offered."""
FRAME_SPACING = 90
"""Ticks of the 90 kHz clock between two cached frames as the viewer gets them: one millisecond."""


class GroupCache:
    """Holds the packets from the last keyframe on, or nothing where that has become long."""

    __slots__ = ("_bytes", "packets")

    def __init__(self) -> None:
        self.packets: list[RelayedPacket] = []
        """In the order they came; the first begins the keyframe."""
        self._bytes = 0

    def clear(self) -> None:
        """Forget everything; lists already given out stay as they are."""
        self.packets, self._bytes = [], 0

    def lets_go(self, packet: RelayedPacket) -> bool:
        """Say whether `put` would give the present group up with this packet, so that it grows no more."""
        return self._begins(packet) or (self._belongs(packet) and self._is_full(packet))

    def put(self, packet: RelayedPacket) -> None:
        """Take the next packet of the stream."""
        if self._begins(packet):
            self.packets, self._bytes = [packet], len(packet.payload)
        elif self._belongs(packet):
            if self._is_full(packet):
                self.clear()
            else:
                self.packets.append(packet)
                self._bytes += len(packet.payload)

    def _begins(self, packet: RelayedPacket) -> bool:
        """H264 marks several packets of one keyframe: the first begins the group."""
        return packet.keyframe_start and not (self.packets and self.packets[0].timestamp == packet.timestamp)

    def _belongs(self, packet: RelayedPacket) -> bool:
        return bool(self.packets) and packet.sequence > self.packets[0].sequence

    def _is_full(self, packet: RelayedPacket) -> bool:
        return (
            packet.arrived_s - self.packets[0].arrived_s > MAX_GROUP_S
            or self._bytes + len(packet.payload) > MAX_GROUP_BYTES
            or len(self.packets) >= MAX_GROUP_PACKETS
        )

    def offered(self, now_s: float) -> list[RelayedPacket] | None:
        """Give the group, which grows as packets come, if a viewer may begin with it now."""
        if not self.packets or now_s - self.packets[0].arrived_s > MAX_GROUP_S:
            return None
        return self.packets if now_s - self.packets[-1].arrived_s <= MAX_SILENCE_S else None


class CatchUp:
    """One viewer's way through a group. It grows with the group and lets it go at the end."""

    __slots__ = ("_group", "_last", "_position", "_retimed")

    def __init__(self, group: list[RelayedPacket]) -> None:
        first = group[0].timestamp
        frames = sorted({packet.timestamp for packet in group}, key=lambda timestamp: (timestamp - first) & 0xFFFFFFFF)
        self._group = group
        self._last = group[-1].sequence
        self._position = 0
        self._retimed = {
            timestamp: (frames[-1] - FRAME_SPACING * (len(frames) - 1 - index)) & 0xFFFFFFFF
            for index, timestamp in enumerate(frames)
        }

    def take(self, most: int) -> list[RelayedPacket]:
        """Give the next packets, with the timestamps they leave under."""
        taken = self._group[self._position : self._position + most]
        self._position += len(taken)
        return [self.retimed(packet) for packet in taken]

    @property
    def first(self) -> RelayedPacket:
        """The group's first packet as it leaves: beside the newest, in its timestamp and in its time."""
        first = self.retimed(self._group[0])
        first.arrived_s = self._group[-1].arrived_s
        return first

    def retimed(self, packet: RelayedPacket) -> RelayedPacket:
        """A packet of the line as it leaves to this viewer."""
        return RelayedPacket(
            packet.sequence, self.retime(packet), packet.payload, packet.marker, packet.keyframe_start,
            packet.arrived_s, packet.picture_ids,
        )  # fmt: skip

    @property
    def done(self) -> bool:
        """True when the viewer has everything up to the newest packet."""
        return self._position >= len(self._group)

    def finish(self) -> None:
        """Let the group's packets go; `retime` goes on, for NACKs."""
        self._group, self._position = [], 0

    def retime(self, packet: RelayedPacket) -> int:
        """The broadcast timestamp under which this viewer gets the packet."""
        # Behind the group its timestamps may come again: the clock wraps around every 13 hours.
        return (
            self._retimed.get(packet.timestamp, packet.timestamp) if packet.sequence < self._last else packet.timestamp
        )
