"""What the relay reports to a publisher: transport-wide arrival times, reception, losses to be sent again. Pure.

Transport-wide feedback follows draft-holmer-rmcat-transport-wide-cc-extensions-01: without it Chrome's bandwidth
estimate stays near 300 kbps.
"""

from __future__ import annotations

import struct

from streaming.forwarding import signed_16
from streaming.rtcp import build_report_block

MAX_REPORTED = 1024
"""Packets in one transport-wide feedback; a longer gap begins a new one."""
_TICK_S = 250e-6
_REFERENCE_S = 64e-3
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2


class ArrivalRecorder:
    """Records when each transport-wide sequence number arrived, and gives the feedback since the last call.

    Memory is bounded: arrivals beyond MAX_REPORTED between two calls are left out and so read as lost.
    """

    __slots__ = ("_arrivals", "_feedback_count", "_highest", "_next")

    def __init__(self) -> None:
        self._arrivals: dict[int, float] = {}
        self._highest: int | None = None
        self._next: int | None = None
        self._feedback_count = 0

    def record(self, sequence: int, now_s: float) -> None:
        """Note one arrival by its 16-bit transport-wide sequence number."""
        if self._highest is None:
            self._highest = self._next = sequence
        unwrapped = self._highest + signed_16(sequence - self._highest)
        self._highest = max(self._highest, unwrapped)
        if len(self._arrivals) < MAX_REPORTED:
            self._arrivals.setdefault(unwrapped, now_s)

    def take(self) -> bytes | None:
        """Give the FCI of one feedback packet and begin the next; None when nothing arrived.

        Packets that came after they had been reported as lost are reported again from there on, as the draft allows.
        """
        if not self._arrivals or self._next is None:
            return None
        first = min(self._arrivals)
        base = max(min(first, self._next), first - MAX_REPORTED // 2)
        last = min(max(self._arrivals), base + MAX_REPORTED - 1)
        arrivals = [self._arrivals.get(sequence) for sequence in range(base, last + 1)]
        self._arrivals = {s: at for s, at in self._arrivals.items() if s > last}
        self._next = max(self._next, last + 1)
        fci = build_arrivals(base & 0xFFFF, arrivals, self._feedback_count)
        self._feedback_count = (self._feedback_count + 1) & 0xFF
        return fci


def build_arrivals(base_sequence: int, arrivals: list[float | None], feedback_count: int) -> bytes:
    """Pack arrival times (seconds, None where lost) from `base_sequence` on; deltas that overflow read as lost."""
    reference = int(next(at for at in arrivals if at is not None) / _REFERENCE_S)
    previous = round(reference * _REFERENCE_S / _TICK_S)
    symbols: list[int] = []
    deltas: list[bytes] = []
    for at in arrivals:
        ticks = 0 if at is None else round(at / _TICK_S)
        delta = ticks - previous
        if at is None or not -0x8000 <= delta <= 0x7FFF:
            symbols.append(_NOT_RECEIVED)
            continue
        previous = ticks
        small = 0 <= delta <= 0xFF
        symbols.append(_SMALL if small else _LARGE)
        deltas.append(struct.pack("!B" if small else "!h", delta))
    head = struct.pack("!HH", base_sequence, len(symbols))
    head += struct.pack("!L", ((reference & 0xFFFFFF) << 8) | feedback_count)
    return head + _status_chunks(symbols) + b"".join(deltas)


def _status_chunks(symbols: list[int]) -> bytes:
    """Run-length chunks where seven or more symbols are the same, else two-bit vectors of seven."""
    chunks = bytearray()
    position = 0
    while position < len(symbols):
        run = 1
        while position + run < len(symbols) and symbols[position + run] == symbols[position] and run < 0x1FFF:
            run += 1
        if run >= 7 or position + run == len(symbols):
            chunks += struct.pack("!H", (symbols[position] << 13) | run)
            position += run
            continue
        vector = symbols[position : position + 7]
        packed = 0
        for symbol in vector + [0] * (7 - len(vector)):
            packed = (packed << 2) | symbol
        chunks += struct.pack("!H", 0xC000 | packed)
        position += len(vector)
    return bytes(chunks)


class ReceptionStatistics:
    """Counts one source's packets for receiver reports (RFC 3550 §6.4.1 and A.3, A.8)."""

    __slots__ = (
        "_base",
        "_clock_rate",
        "_highest",
        "_jitter",
        "_prior_expected",
        "_prior_received",
        "_received",
        "_sr_arrived_s",
        "_sr_middle",
        "_transit",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._base: int | None = None
        self._highest = 0
        self._received = 0
        self._prior_expected = 0
        self._prior_received = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._sr_middle = 0
        self._sr_arrived_s = 0.0

    def received(self, sequence: int, timestamp: int, now_s: float) -> None:
        """Count one packet as it arrives, before anything else is done with it."""
        self._received += 1
        if self._base is None:
            self._base = self._highest = sequence
        else:
            step = signed_16(sequence - self._highest)
            if step > 0:
                self._highest += step
        transit = now_s * self._clock_rate - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < self._clock_rate * 10:
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    def sender_report(self, ntp_middle: int, now_s: float) -> None:
        """Note a sender report, whose time the next block echoes."""
        self._sr_middle, self._sr_arrived_s = ntp_middle, now_s

    def report_block(self, ssrc: int, now_s: float) -> bytes | None:
        """Build the block since the last call; None before the first packet."""
        if self._base is None:
            return None
        expected = self._highest - self._base + 1
        expected_now, received_now = expected - self._prior_expected, self._received - self._prior_received
        self._prior_expected, self._prior_received = expected, self._received
        lost_now = max(0, expected_now - received_now)
        fraction = min(255, lost_now * 256 // expected_now) if expected_now > 0 else 0
        return build_report_block(
            ssrc,
            fraction,
            expected - self._received,
            self._highest,
            int(self._jitter) & 0xFFFFFFFF,
            self._sr_middle,
            now_s - self._sr_arrived_s if self._sr_middle else 0.0,
        )


class LossTracker:
    """Knows which sequence numbers of one source are missing, and which of them to ask for now.

    A missing packet is asked for at most `max_requests` times, `retry_s` apart, and given up after `deadline_s`.
    At most `capacity` are tracked: a larger gap is given up as a whole (the caller then wants a keyframe).
    """

    __slots__ = ("_capacity", "_deadline_s", "_highest", "_max_requests", "_missing", "_retry_s")

    def __init__(
        self, deadline_s: float = 1.0, retry_s: float = 0.1, max_requests: int = 8, capacity: int = 256
    ) -> None:
        self._deadline_s = deadline_s
        self._retry_s = retry_s
        self._max_requests = max_requests
        self._capacity = capacity
        self._highest: int | None = None
        self._missing: dict[int, tuple[float, float, int]] = {}

    @property
    def missing(self) -> int:
        """How many packets are awaited."""
        return len(self._missing)

    def received(self, sequence: int, now_s: float) -> bool:
        """Note one packet; returns False when a gap was too large to repair."""
        if self._highest is None:
            self._highest = sequence
            return True
        step = signed_16(sequence - self._highest)
        if step <= 0:
            self._missing.pop(self._highest + step, None)
            return True
        gap = range(self._highest + 1, self._highest + step)
        self._highest += step
        if len(gap) + len(self._missing) > self._capacity:
            self._missing.clear()
            return False
        for lost in gap:
            self._missing[lost] = (now_s, 0.0, 0)
        return True

    def due(self, now_s: float) -> list[int]:
        """Give the 16-bit sequence numbers to ask for now, ascending; forgets those past their deadline."""
        asked: list[int] = []
        for sequence, (since_s, last_s, requests) in list(self._missing.items()):
            if now_s - since_s >= self._deadline_s or requests >= self._max_requests:
                del self._missing[sequence]
            elif requests == 0 or now_s - last_s >= self._retry_s:
                self._missing[sequence] = (since_s, now_s, requests + 1)
                asked.append(sequence & 0xFFFF)
        return asked
