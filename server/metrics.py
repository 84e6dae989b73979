"""The parts' own counters as Prometheus metrics, read when they are asked for. Stable names, bounded labels."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.gateway.counters import GatewayCounters
from streaming.engine import EngineStats
from streaming.recorder_disk import DiskRecorder

_GATEWAY_GAUGES = {"connections"}
_MEDIA_GAUGES = {"publishers", "viewers", "half_open", "send_buffer_bytes", "receive_buffer_bytes"}


class _Counters(Collector):
    """Renders a flat record of numbers; what is not a gauge only grows."""

    def __init__(self, prefix: str, gauges: set[str], read: Callable[[], dict[str, float]]) -> None:
        self._prefix = prefix
        self._gauges = gauges
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Read now."""
        for name, value in self._read().items():
            full = f"wealthcast_{self._prefix}_{name.removesuffix('_total')}"
            family = GaugeMetricFamily if name in self._gauges else CounterMetricFamily
            yield family(full, f"{self._prefix}: {name.replace('_', ' ')}", value=value)


def build_registry(
    gateway: GatewayCounters | None,
    media: Callable[[], EngineStats] | None,
    recorder: DiskRecorder | None = None,
    legs: Callable[[], dict[str, float]] | None = None,
) -> CollectorRegistry:
    """Register the process's own figures and those of the parts that run here."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    if gateway is not None:
        registry.register(_Counters("gateway", _GATEWAY_GAUGES, lambda: asdict(gateway)))
    if media is not None:
        registry.register(_Counters("media", _MEDIA_GAUGES, lambda: _numbers(media())))
    if recorder is not None:
        registry.register(_Counters("recorder", {"healthy"}, lambda: _recorder_numbers(recorder)))
    if legs is not None:
        registry.register(_Counters("media", {"legs"}, legs))
    return registry


def _numbers(stats: EngineStats) -> dict[str, float]:
    return {name: value for name, value in asdict(stats).items() if isinstance(value, int)}


def _recorder_numbers(recorder: DiskRecorder) -> dict[str, float]:
    counted = recorder.counters
    return {
        "healthy": recorder.health().healthy,
        "packets": counted.packets,
        "bytes": counted.octets,
        "dropped": recorder.dropped(),
    }
