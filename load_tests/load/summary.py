"""Puts together what the processes of a run measured: one flat set of figures by stable names. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from load_tests.load.histogram import Histogram, merged


@dataclass
class Measured:
    """What each part handed over; an empty one did not take part."""

    probe: dict[str, Any] = field(default_factory=dict)
    crowd: dict[str, Any] = field(default_factory=dict)
    locust: dict[str, Any] = field(default_factory=dict)
    media: dict[str, Any] = field(default_factory=dict)
    storms: list[dict[str, Any]] = field(default_factory=list)
    connects: dict[str, Any] = field(default_factory=dict)
    books: dict[str, Any] = field(default_factory=dict)
    """Orders told against orders there, and the audit."""
    server: dict[str, Any] = field(default_factory=dict)
    """What was seen of the installation: CPU, memory, Redis."""


def summarise(measured: Measured) -> dict[str, Any]:
    """Return every figure that was measured; what was not is left out."""
    figures = {**_rooms(measured), **_probe(measured.probe), **_orders(measured), **_media(measured.media)}
    storms = [storm["all_back_s"] for storm in measured.storms]
    if measured.storms:
        figures["all_back_s"] = max([*storms, measured.locust.get("all_back_s", 0.0)])
    figures |= measured.server
    figures["errors"] = sum(measured.locust.get("failures", {}).values())
    return {name: value for name, value in figures.items() if value is not None}


def _rooms(measured: Measured) -> dict[str, Any]:
    """Everybody who listened, added up."""
    parts = [part for part in (measured.probe, measured.crowd, measured.locust) if part]
    sums = {
        name: sum(part.get(name, 0) for part in parts)
        for name in ("expected", "received", "missed", "repeated", "reordered", "sampled_out", "shed", "recovered",
                     "snapshots", "drops", "refused")
    }  # fmt: skip
    byes: Counter[str] = Counter()
    for part in parts:
        byes.update(part.get("byes", {}))
    handshakes = merged(part["handshakes"] for part in parts)
    return {
        **sums,
        "missed_undeclared": sum(part.get("undeclared", 0) for part in parts),
        # Who does not read hears no bye: the gateways count those, where they can be asked.
        "slow_closes": max(
            byes["4000"] + measured.locust.get("slow_closes", 0), measured.server.get("gateway_slow_closes", 0)
        ),
        "handshake_p50_ms": handshakes.percentile(0.5),
        "handshake_p99_ms": handshakes.percentile(0.99),
        "connects_per_s": measured.connects.get("connects_per_s"),
        "deliveries": delivered(measured),
    }


def delivered(measured: Measured) -> int:
    """Events that reached somebody, of whatever kind."""
    parts = (measured.probe, measured.crowd, measured.locust)
    return sum(int(part.get("events", 0)) for part in parts) + int(measured.probe.get("speakers_events", 0))


def _probe(probe: Mapping[str, Any]) -> dict[str, Any]:
    if not probe:
        return {}
    delivery, acks = merged([probe["delivery"]]), merged([probe["acks"]])
    return {
        "comments_sent": probe["sent"],
        "comments_due": probe["due"],
        "comments_passed": probe["passed"],
        **_percentiles("delivery", delivery, p999=True),
        **_percentiles("ack", acks),
    }


def _orders(measured: Measured) -> dict[str, Any]:
    orders = measured.locust.get("orders")
    if not orders or not orders["asked"]:
        return dict(measured.books)
    books = dict(measured.books)
    figures: dict[str, Any] = {
        "orders_asked": orders["asked"],
        "orders_unanswered": orders["unanswered"],
        "orders": orders["results"],
        "submits": orders["submitted"],
        **_percentiles("order", merged([orders["order_ms"]])),
        **_percentiles("submit", merged([orders["submit_ms"]])),
    }
    if "orders_untold" in books:
        # An order whose buyer was not answered may be there; more than that were made without being asked for.
        untold = books.pop("orders_untold")
        figures["orders_doubled"] = max(0, untold - orders["unanswered"]) + orders["contradictions"]
    return figures | books


def _media(media: Mapping[str, Any]) -> dict[str, Any]:
    if not media:
        return {}
    return {
        "media_viewers": media["viewers"],
        "media_packets": media["received"],
        "media_lost": max(0, media["missing"] - media["late"] - media["dropped_here"]),
        "media_dropped_by_generator": media["dropped_here"],
        "media_late": media["late"],
        "media_silent": media["silent"],
        "media_undecryptable": media["undecryptable"],
        "first_picture_p95_ms": media["first_frame_p95_ms"],
        "media_delay_p50_ms": media["delay_p50_ms"],
        "media_delay_p99_ms": media["delay_p99_ms"],
        "media_jitter_p95_ms": media["jitter_p95_ms"],
    }


def _percentiles(name: str, times: Histogram, *, p999: bool = False) -> dict[str, Any]:
    found = {f"{name}_p50_ms": times.percentile(0.5), f"{name}_p99_ms": times.percentile(0.99)}
    return found | ({f"{name}_p999_ms": times.percentile(0.999)} if p999 else {})
