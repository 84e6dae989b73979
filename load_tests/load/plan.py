"""The shapes of a load run: who takes part, and how many of them at which moment. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from load_tests.load.thresholds import Threshold, parse


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Locust plays viewers, chatters, buyers and the host; the other numbers are processes of their own."""

    shape: str
    minutes: float
    viewers: int
    chatters: int
    buyers: int
    crowd: int
    """Lean sockets that only listen, in a process of their own."""
    media: int
    """WHEP viewers."""
    events_per_s: float
    """Comments of the probe."""
    buyer_pause_s: float = 5.0
    """Between two orders of one buyer."""
    quota_minor: int = 10**11
    """Of the product in an installation started for the run."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.minutes * 60

    @property
    def locust_users(self) -> int:
        """How many Locust plays, the host included."""
        return self.viewers + self.chatters + self.buyers + 1

    @property
    def people(self) -> int:
        """Everybody who is in the room."""
        return self.locust_users + self.crowd

    def scaled(self, people: int) -> Plan:
        """As many people, shared out as the shape does; media and the probe's pace go along."""
        share = people / self.people

        def of(number: int) -> int:
            return max(1, round(number * share)) if number else 0

        return replace(
            self,
            viewers=of(self.viewers),
            chatters=of(self.chatters),
            buyers=of(self.buyers),
            crowd=of(self.crowd),
            media=of(self.media),
            events_per_s=max(1.0, self.events_per_s * share),
        )


# Small enough for a laptop that also carries the installation; `everything` is the target's own size.
SHAPES: Final = {
    plan.shape: plan
    for plan in (
        Plan("ramp", 2, viewers=300, chatters=20, buyers=20, crowd=0, media=10, events_per_s=20),
        Plan("steady", 2, viewers=150, chatters=10, buyers=20, crowd=500, media=20, events_per_s=20),
        Plan("spike", 2, viewers=300, chatters=20, buyers=20, crowd=0, media=10, events_per_s=20),
        Plan("storm", 1.5, viewers=100, chatters=5, buyers=5, crowd=2_000, media=0, events_per_s=10),
        Plan(
            "rush", 1.5, viewers=50, chatters=5, buyers=300, crowd=200, media=0, events_per_s=10, quota_minor=40_000_000
        ),
        Plan("everything", 2, viewers=20, chatters=10, buyers=500, crowd=5_000, media=200, events_per_s=190),
    )
}
WHAT: Final = {
    "ramp": "from nobody to everybody at an even pace",
    "steady": "everybody all the time",
    "spike": "a fifth, then everybody within seconds, then a fifth again",
    "storm": "everybody is cut at once half way and comes back",
    "rush": "all buyers read first and order in the same second, half way",
    "everything": "200 WHEP viewers, 5,000 sockets, 200 events a second and 500 buyers at once",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """What Locust keeps up at one time."""

    users: int
    per_s: float
    """How many come or go a second until it is so."""


def moment(shape: str, elapsed_s: float, seconds: float, users: int) -> Moment | None:
    """Say how many users a shape wants now; None when the run is over."""
    if elapsed_s >= seconds:
        return None
    share = elapsed_s / seconds
    pace = max(1.0, users / max(1.0, seconds * _JOINED_BY))
    return _MOMENTS.get(shape, _steady)(share, users, pace, seconds)


_JOINED_BY: Final = 0.15
_FEW: Final = 5
_LEAPS_WITHIN_S: Final = 3.0


def _steady(share: float, users: int, pace: float, seconds: float) -> Moment:
    return Moment(users, pace)


def _ramp(share: float, users: int, pace: float, seconds: float) -> Moment:
    """Everybody is there after four fifths, and stays for the last."""
    return Moment(max(1, min(users, round(users * share / 0.8))), max(1.0, users / (seconds * 0.8)))


def _spike(share: float, users: int, pace: float, seconds: float) -> Moment:
    few = max(1, users // _FEW)
    return Moment(users if 1 / 3 <= share < 2 / 3 else few, max(1.0, users / _LEAPS_WITHIN_S))


_MOMENTS: Final[dict[str, Callable[[float, int, float, float], Moment]]] = {"ramp": _ramp, "spike": _spike}


def strikes_at_s(plan: Plan) -> float | None:
    """When everybody is cut (storm) or all buyers order (rush), from the start; None in the other shapes."""
    return plan.seconds / 2 if plan.shape in ("storm", "rush") else None


_ALWAYS: Final = (
    "missed_undeclared==0", "repeated==0", "reordered==0", "slow_closes==0", "delivery_p99_ms<=500",
    "handshake_p99_ms<=5000", "order_p99_ms<=500", "orders_lost==0", "orders_doubled==0", "oversold_minor==0",
    "audit_findings==0", "errors==0",
)  # fmt: skip
_MEDIA: Final = ("media_lost==0", "media_silent==0", "first_picture_p95_ms<=500")
_STORM: Final = ("all_back_s<=10", "snapshots==0", "handshake_p99_ms<=10000")


def default_thresholds(plan: Plan) -> list[Threshold]:
    """The limits of a shape: those of the design's targets, and nought for what is promised never to happen."""
    texts = {parse(text).figure: text for text in _ALWAYS}
    if plan.media:
        texts |= {parse(text).figure: text for text in _MEDIA}
    if plan.shape == "storm":
        texts |= {parse(text).figure: text for text in _STORM}
    return [replace(parse(text), wanted=False) for text in texts.values()]
