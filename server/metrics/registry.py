"""The registry of one process: its own figures, and those of the parts that run in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from server.http.health import Refresh
from server.metrics.collector import Source, Sources, histogram

_LAG_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_REQUEST_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Metrics:
    """A registry, and what has to be asked before it is read."""

    registry: CollectorRegistry
    refreshes: list[Refresh] = field(default_factory=list)

    def lag(self, name: str) -> Callable[[float], None]:
        """Make the table's histogram of a delay; the result observes seconds."""
        return histogram(name, _LAG_BUCKETS_S, self.registry).observe

    def add(self, sources: Sequence[Source]) -> None:
        """Read these at each scrape."""
        self.registry.register(Sources(sources))

    def request_seconds(self) -> Callable[[str, float], None]:
        """Make the histogram of requests; the result observes a route and seconds."""
        made = histogram("http_request_seconds", _REQUEST_BUCKETS_S, self.registry)
        return lambda route, seconds: made.labels(route).observe(seconds)


def new_metrics() -> Metrics:
    """Begin with what Python and the kernel know of the process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return Metrics(registry)
