"""Whether the generator could do what it was asked to: if not, the figures say more of it than of the server. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_LATE_MS: Final = 50.0
MOST_CORE: Final = 0.9
LEAST_SENT: Final = 0.98


@dataclass(frozen=True, slots=True)
class Generator:
    """What one generating process saw of itself while the load ran."""

    name: str
    cores: float
    """CPU seconds a second."""
    late_p99_ms: float | None = None
    """How long after its intended time a message left, or a timer fired."""
    sent_share: float | None = None
    """What was sent of what should have been by then."""
    allowed_cores: float = 1.0


def verdict(generator: Generator) -> list[str]:
    """Return why this process was saturated, in words; empty where it was not."""
    why = []
    if generator.cores > MOST_CORE * generator.allowed_cores:
        why.append(f"{generator.name} used {generator.cores:.2f} of {generator.allowed_cores:g} cores")
    if generator.late_p99_ms is not None and generator.late_p99_ms > MOST_LATE_MS:
        why.append(f"{generator.name} was {generator.late_p99_ms:.0f} ms late at p99")
    if generator.sent_share is not None and generator.sent_share < LEAST_SENT:
        why.append(f"{generator.name} sent {generator.sent_share:.1%} of what it should")
    return why


def machine_verdict(busy_share: float | None) -> list[str]:
    """Return why the machine itself was full; `busy_share` of all its cores over the run."""
    if busy_share is None or busy_share <= MOST_CORE:
        return []
    return [f"the generator's machine was {busy_share:.0%} busy"]
