"""What `./run top` shows: two scrapes of each process become a row of rates. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

Figures = Mapping[str, Mapping[tuple[str, ...], float]]
"""A scrape: samples by name, then by the values of their labels, sorted by the labels' names."""


class Target(NamedTuple):
    """A process's admin address, and what it is."""

    address: str
    process: str
    role: str


class Row(msgspec.Struct, frozen=True):
    """One process now. Rates are per second; lags are upper bounds of the 99th percentile since the last look.

    None: the process has no such figure. `trouble` says in words what is wrong with it, nothing when all is well.
    """

    process: str
    role: str
    trouble: tuple[str, ...] = ()
    cpu_percent: float | None = None
    memory_mb: float | None = None
    connections: float | None = None
    viewers: float | None = None
    events_per_s: float | None = None
    frames_out_per_s: float | None = None
    packets_in_per_s: float | None = None
    packets_out_per_s: float | None = None
    orders_per_s: float | None = None
    requests_per_s: float | None = None
    outbox_waiting: float | None = None
    room_lag_ms: float | None = None
    loop_lag_ms: float | None = None


def gone(target: Target) -> Row:
    """The row of a process that does not answer."""
    return Row(target.process, target.role, ("does not answer",))


def row(target: Target, before: Figures, now: Figures, seconds: float) -> Row:
    """Compare two scrapes, `seconds` apart."""

    def gauge(name: str) -> float | None:
        return sum(now[name].values()) if name in now else None

    def rate(name: str) -> float | None:
        if name not in now:
            return None
        # A counter that went back belongs to a process that was started anew: all of it is since then.
        grown = (value - _before(before, name, labels, value) for labels, value in now[name].items())
        return sum(grown) / seconds

    cpu, memory = rate("process_cpu_seconds_total"), gauge("process_resident_memory_bytes")
    return Row(
        process=target.process,
        role=target.role,
        trouble=_trouble(now),
        cpu_percent=None if cpu is None else cpu * 100,
        memory_mb=None if memory is None else memory / 1e6,
        connections=gauge("wealthcast_gateway_connections"),
        viewers=gauge("wealthcast_media_viewers"),
        events_per_s=rate("wealthcast_gateway_events_total"),
        frames_out_per_s=rate("wealthcast_gateway_frames_out_total"),
        packets_in_per_s=rate("wealthcast_media_packets_in_total"),
        packets_out_per_s=rate("wealthcast_media_packets_out_total"),
        orders_per_s=rate("wealthcast_orders_total"),
        requests_per_s=rate("wealthcast_http_requests_total"),
        outbox_waiting=gauge("wealthcast_outbox_waiting"),
        room_lag_ms=_p99_ms("wealthcast_room_lag_seconds_bucket", before, now),
        loop_lag_ms=_p99_ms("wealthcast_event_loop_lag_seconds_bucket", before, now),
    )


def _before(before: Figures, name: str, labels: tuple[str, ...], now: float) -> float:
    earlier = before.get(name, {}).get(labels, 0.0)
    return earlier if earlier <= now else 0.0


def _trouble(now: Figures) -> tuple[str, ...]:
    found = [f"{part} away" for (part,), up in now.get("wealthcast_part_up", {}).items() if not up]
    if now.get("wealthcast_process_draining", {}).get((), 0):
        found.append("draining")
    elif not found and not now.get("wealthcast_ready", {}).get((), 1):
        found.append("not ready")
    if not now.get("wealthcast_recorder_healthy", {}).get((), 1):
        found.append("does not record")
    found += [f"{worker} down" for (worker,), up in now.get("wealthcast_supervisor_serving", {}).items() if not up]
    return tuple(found)


def _p99_ms(name: str, before: Figures, now: Figures) -> float | None:
    """Return the bound of the bucket that holds the 99th percentile of what came between; None when nothing did."""
    grown = sorted(
        (float(bound), count - _before(before, name, (bound,), count)) for (bound,), count in now.get(name, {}).items()
    )
    if not grown or grown[-1][1] <= 0:
        return None
    wanted = 0.99 * grown[-1][1]
    return next(bound for bound, count in grown if count >= wanted) * 1_000
