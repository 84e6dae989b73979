"""The verdict on one fault: what was promised beside what is, and whether that is well. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

MOST_RSS_GROWTH_MB: Final = 20.0
RECOVERS_WITHIN_S: Final = 60.0
_PUBLISHED: Final = (
    "name",
    "acked",
    "acked_lost",
    "orders",
    "oversold",
    "doubled",
    "undeclared_gaps",
    "repeats",
    "recovery_s",
    "rss_growth_mb",
)
_ZERO: Final = ("acked_lost", "oversold", "doubled", "undeclared_gaps", "repeats")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row. `acked` counts comments, tips and orders; `oversold` is in minor units beyond the quota.

    `recovery_s` is None where it did not recover; `failed` names what else was promised and not kept.
    """

    name: str
    acked: int = 0
    acked_lost: int = 0
    orders: int = 0
    oversold: int = 0
    doubled: int = 0
    undeclared_gaps: int = 0
    repeats: int = 0
    recovery_s: float | None = None
    rss_growth_mb: float = 0.0
    audit_clean: bool = True
    failed: Sequence[str] = field(default=())
    sold_minor: int = 0
    quota_minor: int = 0
    rss_before_mb: float = 0.0
    untried: str = ""

    @property
    def reasons(self) -> list[str]:
        """Everything that is not as it was promised."""
        if self.untried:
            return [f"not tried: {self.untried}"]
        found = [f"{name} is {getattr(self, name)}" for name in _ZERO if getattr(self, name)]
        if self.acked == 0:
            found.append("nothing was acknowledged at all: the load did not run")
        if self.recovery_s is None:
            found.append("did not recover")
        elif self.recovery_s > RECOVERS_WITHIN_S:
            found.append(f"took {self.recovery_s:.1f} s to recover")
        if self.rss_growth_mb > MOST_RSS_GROWTH_MB:
            found.append(f"memory grew by {self.rss_growth_mb:.1f} MB")
        if not self.audit_clean:
            found.append("the audit found differences")
        return [*found, *self.failed]

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not self.reasons

    def published(self) -> dict[str, Any]:
        """The row of the JSON object; one that could not be tried says why."""
        row = {name: value for name, value in asdict(self).items() if name in _PUBLISHED}
        return row | {"ok": self.ok} | ({"reason": self.untried} if self.untried else {})


def table(verdicts: Sequence[Verdict]) -> str:
    """All rows for people, and below it what was not kept."""
    head = (
        f"{'fault':20} {'acked':>6} {'lost':>4} {'orders':>6} {'sold/quota':>13} {'over':>4} {'twice':>5} {'gaps':>4} "
    )
    lines = [head + f"{'rep':>3} {'back s':>6} {'RSS MB':>13} ok"]
    lines += [row(verdict) for verdict in verdicts]
    lines += [f"{one.name}: {'; '.join(one.reasons)}" for one in verdicts if not one.ok]
    return "\n".join(lines)


def row(one: Verdict) -> str:
    """One line of the table."""
    if one.untried:
        return f"{one.name:20} not tried"
    back = "never" if one.recovery_s is None else f"{one.recovery_s:.1f}"
    sold = f"{one.sold_minor // 10**5}/{one.quota_minor // 10**5}k"
    return (
        f"{one.name:20} {one.acked:6} {one.acked_lost:4} {one.orders:6} {sold:>13} {one.oversold:4} {one.doubled:5} "
        f"{one.undeclared_gaps:4} {one.repeats:3} {back:>6} {one.rss_before_mb:6.0f} {one.rss_growth_mb:+6.1f} "
        f"{'yes' if one.ok else 'NO'}"
    )
