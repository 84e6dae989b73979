"""What commerce needs from outside, as narrow ports with their guarantees. No I/O here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from commerce.facts import Fact

Clock = Callable[[], datetime]  # the present, aware, in UTC
NewId = Callable[[str], str]  # a fresh, time-ordered id with this two-letter prefix
# Takes one fact to its rooms. Facts of one broadcast's stage, one product's quota and one order arrive in their
# order, each at least once: de-duplicate by its `name`. Raising means "not taken": the fact comes again, and those
# behind it wait; only FactUnreadable means that it never will be, and the next one comes.
FactReader = Callable[[Fact], Awaitable[None]]
Trace = Callable[[], str | None]  # the W3C `traceparent` of whatever this code is run for; None where nothing is traced


def untraced() -> None:
    """The Trace of an installation that keeps none."""


class FactUnreadable(Exception):
    """The fact itself is at fault: whenever it came again, this version could make nothing of it."""


@dataclass(frozen=True, slots=True)
class BroadcastFacts:
    """What the sale must know of a broadcast at this moment; `stream_time_ms` is None before the first packet."""

    exists: bool
    state: str
    title: str
    host_id: str
    host_name: str
    licence_no: str
    stream_time_ms: int | None
    monitor_absent: bool
    recording_unavailable: bool
    recording_id: str | None = None  # what the recording can be found by; None: nothing is recorded
    shelf: frozenset[str] = frozenset()  # the products that were approved with the broadcast


class BroadcastReader(Protocol):
    """Reads broadcasts for the sale.

    `read` answers with one consistent state of at most a second ago, `exists=False` for an unknown id, and raises
    TimeoutError or OSError when it cannot know: the sale then answers `busy` rather than guess. It is never called
    inside a database transaction of commerce, so it may use the same pool.
    """

    async def read(self, broadcast_id: str) -> BroadcastFacts: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """A member of staff who acts on the stage."""

    account_id: str
    role: str
