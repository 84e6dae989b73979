"""Keeps recent packets and answers NACKs from them, by RTX where the viewer takes it (RFC 4588). Pure.

The ring is shared by all viewers of a line: it holds packets on the broadcast's line, bounded in count, bytes and age.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from streaming.forwarding import Lane, RelayedPacket
from streaming.rtp import serialize_rtp


class PacketRing:
    """The packets of the last `max_age_s`, at most `capacity` (a power of two) and `max_bytes` of payload.

    Where one of the three is passed the oldest goes; a packet larger than `max_bytes` is kept alone.
    """

    __slots__ = ("_bytes", "_let_go_before", "_mask", "_max_age_s", "_max_bytes", "_newest", "_oldest", "_slots")

    def __init__(self, capacity: int, max_age_s: float, max_bytes: int) -> None:
        assert capacity & (capacity - 1) == 0, "capacity must be a power of two"
        self._mask = capacity - 1
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._slots: list[RelayedPacket | None] = [None] * capacity
        self._bytes = 0
        self._oldest = 0
        self._let_go_before = 0
        """Packets below this number were held and are not any more, so that a duplicate could not be told."""
        self._newest: RelayedPacket | None = None

    @property
    def payload_bytes(self) -> int:
        """What the packets that are held come to."""
        return self._bytes

    def put(self, packet: RelayedPacket) -> bool:
        """Keep a packet; False when it is a duplicate, or so old that it might be one of a packet let go."""
        newest = self._newest
        if newest is not None and packet.sequence < max(newest.sequence - self._mask, self._let_go_before):
            return False
        position = packet.sequence & self._mask
        held = self._slots[position]
        if held is not None:
            if held.sequence >= packet.sequence:
                return False
            self._bytes -= len(held.payload)
        self._slots[position] = packet
        self._bytes += len(packet.payload)
        self._oldest = packet.sequence if newest is None else min(self._oldest, packet.sequence)
        if newest is None or packet.sequence > newest.sequence:
            newest = self._newest = packet
        self._let_go(newest)
        return True

    def _let_go(self, newest: RelayedPacket) -> None:
        """Forget from the oldest on what passes a bound; each sequence number is stepped over once."""
        self._oldest = max(self._oldest, newest.sequence - self._mask)
        while self._oldest < newest.sequence:
            held = self._slots[self._oldest & self._mask]
            if held is not None and held.sequence <= self._oldest:
                if self._bytes <= self._max_bytes and newest.arrived_s - held.arrived_s <= self._max_age_s:
                    return
                self._slots[self._oldest & self._mask] = None
                self._bytes -= len(held.payload)
                self._let_go_before = self._oldest + 1
            self._oldest += 1

    def clear(self) -> None:
        """Forget everything: the codec changed, and old packets would leave under the new payload type."""
        self._slots = [None] * (self._mask + 1)
        self._bytes = self._oldest = 0
        self._newest = None

    def get(self, sequence: int, now_s: float) -> RelayedPacket | None:
        """Give the packet if it is still held and young enough to be worth sending again."""
        held = self._slots[sequence & self._mask]
        if held is None or held.sequence != sequence or now_s - held.arrived_s > self._max_age_s:
            return None
        return held


FEW = 4
AGAIN_AFTER_S = 0.01
MOST_AGAIN = 16
"""Second copies that wait for one viewer; beyond it the oldest is given up."""


class Repeater:
    """One viewer's answers to NACKs for one stream: RTX on its own SSRC, or the packet as it was.

    `budget_per_s` bounds what a NACK flood can make the relay send; a packet is not repeated within `hold_s`. Few at
    once are lost by chance, which strikes the repetition too, and a receiver that cannot measure its round trip
    (Chromium, without media of its own) asks again after 100 ms, too late for its picture: they go twice, as two RTX
    packets, the second a little later (`again`), so that one burst of loss does not strike both. Many at once are a
    bottleneck: they go once.
    """

    __slots__ = (
        "_again",
        "_allowance",
        "_budget_per_s",
        "_hold_s",
        "_recent",
        "_refilled_s",
        "_rtx_sequence",
        "_rtx_ssrc",
    )

    def __init__(self, rtx_ssrc: int, first_sequence: int, budget_per_s: int, hold_s: float = 0.02) -> None:
        self._rtx_ssrc = rtx_ssrc
        self._rtx_sequence = first_sequence
        self._budget_per_s = budget_per_s
        self._allowance = float(budget_per_s)
        self._refilled_s = 0.0
        self._hold_s = hold_s
        self._recent: dict[int, float] = {}
        self._again: deque[tuple[float, bytes]] = deque(maxlen=MOST_AGAIN)

    def repeat(
        self,
        lane: Lane[Any],
        rtx_payload_type: int | None,
        sequences: tuple[int, ...],
        ring: PacketRing,
        highest: int,
        now_s: float,
        first: int = 0,
        retime: Callable[[RelayedPacket], int] | None = None,
    ) -> list[bytes]:
        """Give the plain RTP packets that answer a NACK for this viewer's 16-bit `sequences`.

        Nothing from before `first` on the broadcast's line is sent: the viewer came later. `retime` gives the broadcast
        timestamp under which the viewer first got a packet, where that is another.
        """
        self._refill(now_s)
        copies = 2 if rtx_payload_type is not None and len(sequences) <= FEW else 1
        answers: list[bytes] = []
        for sequence in sequences:
            if self._allowance < copies:
                break
            placed = lane.broadcast_sequence(sequence, highest)
            packet = ring.get(placed, now_s) if placed >= first else None
            if packet is None or now_s - self._recent.get(sequence, -1.0) < self._hold_s:
                continue
            self._recent[sequence] = now_s
            self._allowance -= copies
            timestamp = lane.timestamp_of(packet.timestamp if retime is None else retime(packet))
            payload = lane.payload_of(packet)
            answer = self._build(lane, rtx_payload_type, packet, sequence, timestamp, payload)
            answers.append(answer)
            if copies == 2:
                self._again.append((now_s + AGAIN_AFTER_S, answer))
        return answers

    def again(self, now_s: float) -> list[bytes]:
        """Give the second copies that are due, under RTX numbers of their own."""
        due: list[bytes] = []
        while self._again and self._again[0][0] <= now_s:
            _, answer = self._again.popleft()
            self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
            due.append(answer[:2] + self._rtx_sequence.to_bytes(2, "big") + answer[4:])
        return due

    def forget(self) -> None:
        """Give up the second copies: the viewer left the line that they belong to."""
        self._again.clear()

    @property
    def waits(self) -> bool:
        """True while second copies are to leave."""
        return bool(self._again)

    def _refill(self, now_s: float) -> None:
        earned = (now_s - self._refilled_s) * self._budget_per_s
        self._allowance = min(float(self._budget_per_s), self._allowance + earned)
        self._refilled_s = now_s
        if len(self._recent) > self._budget_per_s:
            self._recent = {s: at for s, at in self._recent.items() if now_s - at < self._hold_s}

    def _build(
        self, lane: Lane[Any], rtx_payload_type: int | None, packet: RelayedPacket, sequence: int, timestamp: int,
        payload: bytes,
    ) -> bytes:  # fmt: skip
        if rtx_payload_type is None:
            return serialize_rtp(lane.payload_type, sequence, timestamp, lane.ssrc, payload, marker=packet.marker)
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        return serialize_rtp(
            rtx_payload_type, self._rtx_sequence, timestamp, self._rtx_ssrc, sequence.to_bytes(2, "big") + payload,
            marker=packet.marker,
        )  # fmt: skip
