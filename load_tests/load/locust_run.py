"""One Locust process's part of a load run: its orders, the moment that strikes, its figures. I/O: files.

Imports neither asyncio nor uvloop: gevent's hub is the loop here.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event

from load_tests.load.gevent_room import GeventRoom, RoomCounts
from load_tests.load.histogram import Histogram
from load_tests.load.plan import Plan

RUN_VARIABLE: Final = "WEALTHCAST_LOAD_RUN"
_LAG_EVERY_S: Final = 0.1
_MOST_ROWS: Final = 20_000


class Orders(msgspec.Struct, frozen=True):
    """What `./run load` wants of Locust; written to a file that the environment names."""

    plan: Plan
    cast: str
    figures: str
    strikes_at_s: float | None
    """In `time.monotonic` of this machine."""


def read_orders() -> Orders | None:
    """Return them, None where somebody started `locust` by hand."""
    place = os.environ.get(RUN_VARIABLE)
    return msgspec.json.decode(Path(place).read_bytes(), type=Orders) if place else None


@dataclass
class Sales:
    """What the buyers were answered."""

    told: list[str] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    submitted: Counter[str] = field(default_factory=Counter)
    order_ms: Histogram = field(default_factory=Histogram)
    submit_ms: Histogram = field(default_factory=Histogram)
    asked: int = 0
    unanswered: int = 0
    """Asked for without an answer so far: each may or may not have an order."""
    contradictions: int = 0
    """The same key with the same body was answered by two different orders."""


class LocustRun:
    """Everything that the users of this process share."""

    def __init__(self, orders: Orders | None) -> None:
        self.orders = orders
        self.rooms = RoomCounts()
        self.sales = Sales()
        self.comment_ms = Histogram()
        self.verdicts: Counter[str] = Counter()
        self.inside: set[GeventRoom] = set()
        self.struck = Event()
        """Set when buyers may order: at once, but in a rush."""
        self._lag = Histogram()
        self._rows: list[tuple[float, int, int, int]] = []
        self._began_s = self._cpu_s = 0.0
        self._greenlets: list[gevent.Greenlet] = []

    def start(self, count_users: Any) -> None:
        """The test begins; `count_users` says how many run."""
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()
        self._greenlets = [gevent.spawn(self._watch, count_users), gevent.spawn(self._strike)]

    def stop(self) -> None:
        """The test is over: end our own greenlets."""
        gevent.killall(self._greenlets, timeout=5)

    def _strike(self) -> None:
        orders = self.orders
        rush = orders is not None and orders.plan.shape == "rush"
        if not rush:
            self.struck.set()
        if orders is None or orders.strikes_at_s is None:
            return
        gevent.sleep(max(0.0, orders.strikes_at_s - time.monotonic()))
        self.struck.set()
        if not rush:
            for room in list(self.inside):
                room.cut()

    def _watch(self, count_users: Any) -> None:
        """Notice how late the hub is, and how many users there are."""
        second = 0
        while True:
            due_s = time.monotonic() + _LAG_EVERY_S
            gevent.sleep(_LAG_EVERY_S)
            now_s = time.monotonic()
            self._lag.add((now_s - due_s) * 1e3)
            if int(now_s - self._began_s) > second and len(self._rows) < _MOST_ROWS:
                second = int(now_s - self._began_s)
                self._rows.append((now_s, count_users(), self.sales.asked, self.rooms.events))

    def figures(self, failures: dict[str, int], requests: int) -> dict[str, Any]:
        """Everything measured, as a JSON object."""
        rooms, sales = self.rooms, self.sales
        return {
            **rooms.heard.figures(),
            "frames": rooms.frames,
            "events": rooms.events,
            "joins": rooms.joins,
            "drops": rooms.drops,
            "refused": rooms.refused,
            "slow_closes": rooms.slow_closes,
            "all_back_s": rooms.all_back_s,
            "handshakes": rooms.handshakes.packed(),
            "comment_ms": self.comment_ms.packed(),
            "verdicts": dict(self.verdicts),
            "orders": {
                "told": sales.told,
                "results": dict(sales.results),
                "submitted": dict(sales.submitted),
                "order_ms": sales.order_ms.packed(),
                "submit_ms": sales.submit_ms.packed(),
                "asked": sales.asked,
                "unanswered": sales.unanswered,
                "contradictions": sales.contradictions,
            },
            "requests": requests,
            "failures": failures,
            "late_p99_ms": self._lag.percentile(0.99),
            "cores": (time.process_time() - self._cpu_s) / max(1e-3, time.monotonic() - self._began_s),
            "rows": self._rows,
        }

    def write_figures(self, failures: dict[str, int], requests: int) -> None:
        """Write them where the orders say; nothing for a run by hand."""
        if self.orders is not None:
            Path(self.orders.figures).write_bytes(msgspec.json.encode(self.figures(failures, requests)))
