"""Figures that must be asked for at each scrape: whether the parts answer, how much waits in the outbox. Does I/O.

Every question has its time, so a scrape takes two seconds at most however much is away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from commerce.errors import Unavailable
from commerce.outbox_postgres import OutboxDepth
from server.http.health import Phase, Probe, ask_all
from server.metrics.collector import Sample

log = structlog.get_logger("metrics")
_ASK_S = 2.0


class Standing:
    """The readiness probes' answers as figures."""

    def __init__(self, probes: dict[str, Probe], phase: Phase) -> None:
        self._probes = probes
        self._phase = phase
        self._up: dict[str, bool] = {}

    async def refresh(self) -> None:
        """Ask every probe."""
        self._up = {name: well for name, (well, _) in (await ask_all(self._probes)).items()}

    def samples(self) -> Iterable[Sample]:
        """As last asked."""
        yield Sample("ready", self._phase.now == "serving" and all(self._up.values()))
        yield Sample("process_draining", self._phase.now == "draining")
        for name, well in self._up.items():
            yield Sample("part_up", well, (name,))


class OutboxStanding:
    """How much waits in the outbox; no sample while Postgres does not say."""

    def __init__(self, ask: Callable[[], Awaitable[OutboxDepth]]) -> None:
        self._ask = ask
        self._depth: OutboxDepth | None = None

    async def refresh(self) -> None:
        """Ask Postgres."""
        self._depth = None
        try:
            async with asyncio.timeout(_ASK_S):
                self._depth = await self._ask()
        except (Unavailable, TimeoutError) as error:
            log.debug("outbox_unknown", why=type(error).__name__)

    def samples(self) -> Iterable[Sample]:
        """As last asked."""
        if self._depth is not None:
            yield Sample("outbox_waiting", self._depth.waiting)
            yield Sample("outbox_oldest_age_seconds", self._depth.oldest_age_s)
            yield Sample("outbox_set_aside", self._depth.set_aside)
