"""Looks at an installation from outside while a run lasts: CPU, memory and counters of each process. I/O: HTTP, /proc.

What it can see depends on where it stands: with the admin address the processes' own metrics, on the same machine the
kernel's figures too, else nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from load_tests.bench.processes import Usage

_EVERY_S: Final = 1.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=3)
_MOST_SAMPLES: Final = 20_000
SLOW_CLOSES: Final = 'wealthcast_gateway_closed_total{reason="slow"}'
COUNTED: Final = frozenset(
    {
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "wealthcast_gateway_connections",
        "wealthcast_gateway_frames_out_total",
        SLOW_CLOSES,
        "wealthcast_gateway_shed_total",
    }
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `processes` holds each process's metrics by its name, those of `COUNTED`."""

    at_s: float
    processes: dict[str, dict[str, float]]
    busy_s: float
    """CPU seconds that all cores of this machine have spent so far."""
    generator_s: dict[str, float]
    """CPU seconds of each of the run's own processes so far."""
    kernel_tcp_bytes: int
    """Memory that this machine's kernel holds for TCP, both ends where the generator stands beside the server."""

    def total(self, name: str, prefix: str = "") -> float:
        """Add one metric up over the processes whose name begins so."""
        return sum(row.get(name, 0.0) for process, row in self.processes.items() if process.startswith(prefix))


@dataclass
class Watch:
    """`admin` is the supervisor's (or the single process's) admin address, empty where it is not known."""

    admin: str
    own: dict[str, int] = field(default_factory=dict)
    """The run's own processes, pid by name."""
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> None:
        """Look once a second until cancelled."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while len(self.samples) < _MOST_SAMPLES:
                began_s = time.monotonic()
                self.samples.append(await self.look(session))
                await asyncio.sleep(max(0.1, began_s + _EVERY_S - time.monotonic()))

    async def look(self, session: aiohttp.ClientSession) -> Sample:
        """Ask every process at once; one that does not answer is left out."""
        places = await self._places(session)
        rows = await asyncio.gather(*(self._metrics(session, place) for place in places.values()))
        processes = dict(zip(places, rows, strict=True))
        return Sample(time.monotonic(), processes, _busy_s(), self._generator_s(), _kernel_tcp_bytes())

    def _generator_s(self) -> dict[str, float]:
        used = {}
        for name, pid in self.own.items():
            with contextlib.suppress(OSError):
                used[name] = Usage.of(pid).cpu_s
        return used

    async def _places(self, session: aiohttp.ClientSession) -> dict[str, str]:
        """Every process's admin address by its name; a process without a supervisor is its own only one."""
        if not self.admin:
            return {}
        try:
            async with session.get(f"{self.admin}/targets") as answer:
                if answer.status != 200:
                    return {"server": self.admin}
                groups = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return {}
        return {group["labels"]["process"]: f"http://{group['targets'][0]}" for group in groups}

    async def _metrics(self, session: aiohttp.ClientSession, place: str) -> dict[str, float]:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(f"{place}/metrics") as answer:
                return read_metrics(await answer.text())
        return {}


def read_metrics(text: str) -> dict[str, float]:
    """Read the counted metrics out of Prometheus's text format; labels that none is counted with are added up."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        if name not in COUNTED:
            name = name.partition("{")[0]
        if name in COUNTED:
            found[name] = found.get(name, 0.0) + float(value)
    return found


def _busy_s() -> float:
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    ticks = [int(value) for value in fields]
    return (sum(ticks[:8]) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _kernel_tcp_bytes() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/sockstat").read_text().splitlines():
            if line.startswith("TCP:"):
                return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def figures_between(first: Sample, last: Sample, delivered: int) -> dict[str, Any]:
    """What the gateways used and did between two looks, and what that is a delivery."""
    if not last.processes:
        return {}

    def rise(name: str, prefix: str = "") -> float:
        return last.total(name, prefix) - first.total(name, prefix)

    elapsed_s = max(1e-3, last.at_s - first.at_s)
    alone = "server" if set(last.processes) == {"server"} else "gateway"
    cpu_s = rise("process_cpu_seconds_total", alone)
    return {
        "gateway_cores": cpu_s / elapsed_s,
        "cpu_us_per_delivery": cpu_s * 1e6 / delivered if delivered else None,
        "frames_out": int(rise("wealthcast_gateway_frames_out_total")),
        "gateway_slow_closes": int(rise(SLOW_CLOSES)),
        "gateway_shed": int(rise("wealthcast_gateway_shed_total")),
    }


def memory_between(empty: Sample, joined: Sample) -> dict[str, Any]:
    """What a connection holds in the gateways, and the kernel for it, between two looks with only joins in between."""
    people = joined.total("wealthcast_gateway_connections") - empty.total("wealthcast_gateway_connections")
    if people < 50:
        return {}
    alone = "server" if set(joined.processes) == {"server"} else "gateway"
    rss = joined.total("process_resident_memory_bytes", alone) - empty.total("process_resident_memory_bytes", alone)
    return {
        "rss_per_connection_bytes": round(rss / people),
        "kernel_per_connection_bytes": round((joined.kernel_tcp_bytes - empty.kernel_tcp_bytes) / people),
    }


def machine_busy(first: Sample, last: Sample) -> float | None:
    """The share of this machine's cores that was spent, by anybody."""
    elapsed_s = last.at_s - first.at_s
    return (last.busy_s - first.busy_s) / (elapsed_s * (os.cpu_count() or 1)) if elapsed_s > 0 else None


def cores_between(first: Sample, last: Sample) -> dict[str, float]:
    """How many cores each process used, the run's own behind `load `."""
    elapsed_s = max(1e-3, last.at_s - first.at_s)
    cpu = "process_cpu_seconds_total"
    cores = {
        process: (row[cpu] - first.processes[process][cpu]) / elapsed_s
        for process, row in last.processes.items()
        if cpu in row and cpu in first.processes.get(process, {})
    }
    own = {
        f"load {name}": (used_s - first.generator_s.get(name, 0.0)) / elapsed_s  # one may have been started since
        for name, used_s in last.generator_s.items()
    }
    return {name: round(value, 3) for name, value in sorted((cores | own).items())}
