"""Turns what sources say into Prometheus' families. No I/O of its own."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from server.metrics.families import BY_NAME


class Sample(NamedTuple):
    """A figure now; `name` without `wealthcast_`, `labels` in the table's order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Sample]]
"""Reads figures that are at hand; must not wait and must not raise."""


class Sources(Collector):
    """Asks every source at each scrape; a name that is not in the table is a mistake of ours and raises KeyError."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """Read now."""
        found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for source in self._sources:
            for sample in source():
                family = found.get(sample.name)
                if family is None:
                    family = found[sample.name] = _family(sample.name)
                family.add_metric(sample.labels, sample.value)
        return found.values()


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    told = BY_NAME[f"wealthcast_{name}"]
    kind = GaugeMetricFamily if told.kind == "gauge" else CounterMetricFamily
    return kind(told.name, told.meaning, labels=told.labels)


def histogram(name: str, buckets: Sequence[float], registry: CollectorRegistry) -> Histogram:
    """Make a histogram of the table; `buckets` in seconds."""
    told = BY_NAME[f"wealthcast_{name}"]
    return Histogram(told.name, told.meaning, told.labels, buckets=buckets, registry=registry)
