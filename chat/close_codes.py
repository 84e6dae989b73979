"""How a connection ends: one table of codes, reasons, and whether and when to return. Pure.

4000-4499 come back after a delay drawn between the two bounds, so that a crowd does not return in one
instant; 4500-4999 do not come back.
"""

from dataclasses import dataclass
from enum import Enum

from chat.connection_events import Bye


@dataclass(frozen=True, slots=True)
class _Ending:
    code: int
    reason: str
    earliest_ms: int = 0
    latest_ms: int = 0


class CloseCode(Enum):
    """The endings of docs/protocol.md; the value holds code, reason and the bounds of the delay."""

    SLOW = _Ending(4000, "slow", 1_000, 5_000)
    DRAINING = _Ending(4001, "draining", 200, 5_000)
    HELLO_TIMEOUT = _Ending(4002, "hello_timeout", 1_000, 3_000)
    TOKEN_EXPIRED = _Ending(4003, "token_expired", 0, 500)
    OVERLOADED = _Ending(4004, "overloaded", 5_000, 15_000)
    INTERNAL = _Ending(4005, "internal", 1_000, 5_000)
    RATE_LIMITED = _Ending(4006, "rate_limited", 10_000, 20_000)
    PROTOCOL_VIOLATION = _Ending(4500, "protocol_violation")
    UNAUTHENTICATED = _Ending(4501, "unauthenticated")
    FORBIDDEN = _Ending(4502, "forbidden")
    NO_SUCH_BROADCAST = _Ending(4503, "no_such_broadcast")
    BROADCAST_OVER = _Ending(4504, "broadcast_over")
    BANNED = _Ending(4505, "banned")

    @property
    def code(self) -> int:
        """The WebSocket close code."""
        return self.value.code

    @property
    def reason(self) -> str:
        """The stable word that goes with the code."""
        return self.value.reason

    @property
    def reconnects(self) -> bool:
        """Whether the client should come back."""
        return self.value.code < 4500

    def bye(self, spread: float) -> Bye:
        """Build the `bye` event; `spread` in [0, 1) places this client between earliest and latest return."""
        if not self.reconnects:
            return Bye(self.code, self.reason, False, None)
        span_ms = self.value.latest_ms - self.value.earliest_ms
        return Bye(self.code, self.reason, True, self.value.earliest_ms + int(span_ms * spread))
