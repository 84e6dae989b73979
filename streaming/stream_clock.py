"""The one clock of a broadcast: milliseconds since its first media packet. Pure."""

from datetime import datetime, timedelta


def stream_time_ms(clock_started_at: datetime | None, now: datetime) -> int | None:
    """Milliseconds since the first packet, never negative; None before it. Goes on when the publisher changes."""
    if clock_started_at is None:
        return None
    return max(0, (now - clock_started_at) // timedelta(milliseconds=1))
