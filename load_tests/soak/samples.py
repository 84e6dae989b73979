"""What every process of an installation holds, read from outside. I/O: /proc by psutil, HTTP to the admin ports.

Postgres's processes count as one; its memory is what its processes hold apart from the buffers that they share, and
its descriptors, a cache of its own, are not looked at. People move between processes of one kind when they come back,
so descriptors and tasks of these are added up.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import psutil

_MIB: Final = 1 << 20
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_TASKS: Final = re.compile(r"^wealthcast_event_loop_tasks ([0-9.e+]+)$", re.MULTILINE)
_LAG: Final = re.compile(r"^wealthcast_event_loop_lag_seconds_(sum|count) ([0-9.e+-]+)$", re.MULTILINE)
_NUMBER: Final = re.compile(r"-\d+$")
_STORES: Final = {"postgres": "postgres", "valkey-server": "valkey"}

RSS, FILES, TASKS, LAG, ANSWER = "rss_mib", "files", "tasks", "lag_ms", "answer_ms"
MEASURES: Final = (RSS, FILES, TASKS, LAG, ANSWER)
"""Resident memory; open descriptors; asyncio tasks; how late the event loop came to its timers since the sample before,
on average; how long a process took to answer its admin port, which is that lag, the scrape and the network in one."""


@dataclass(slots=True)
class Log:
    """Every figure of every process over time: `values[process][measure]` goes with `times_s[process]`."""

    times_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def note(self, process: str, at_s: float, figures: dict[str, float]) -> None:
        """Keep one sample; a figure that could not be read keeps its last value."""
        self.times_s[process].append(at_s)
        for measure in MEASURES:
            kept = self.values[process][measure]
            if measure in figures:
                kept.append(figures[measure])
            elif kept:
                kept.append(kept[-1])


class Sampler:
    """Looks at the processes below `root_pid`, and at those that the supervisor's admin port names."""

    def __init__(self, root_pid: int, admin: str) -> None:
        self._root = psutil.Process(root_pid)
        self._admin = admin
        self._began_s = time.monotonic()
        self.log = Log()
        self.restarts = 0
        self.cores = 0.0
        self._lags: dict[int, tuple[float, float]] = {}  # by process: the lag's sum and count when last seen
        self.late_answers = 0  # of admin ports, beyond the time-out: the machine was full, or the process stuck

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Take one sample of everything; without an answer of the supervisor there is none this time.

        Raises psutil.NoSuchProcess when the installation has ended.
        """
        at_s = time.monotonic() - self._began_s
        if self._root.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(self._root.pid)
        try:
            async with session.get(f"{self._admin}/healthz", timeout=_TIMEOUT) as answer:
                health = await answer.json()
        except (TimeoutError, aiohttp.ClientError):
            self.late_answers += 1
            return
        self.restarts = sum(worker["restarts"] for worker in health["workers"])
        workers = [(w["name"], w["pid"], w["admin_port"]) for w in health["workers"] if w["serves"]]
        self.log.note("supervisor", at_s, _held(psutil.Process(health["pid"])))
        found = await asyncio.gather(*(self._worker(session, at_s, *worker) for worker in workers))
        for kind, held in _together(found).items():
            self.log.note(kind, at_s, held)
        for store, held in self._stores().items():
            self.log.note(store, at_s, held)

    async def _worker(
        self, session: aiohttp.ClientSession, at_s: float, name: str, pid: int, port: int
    ) -> tuple[str, dict[str, float]]:
        """Note what is one process's own; return its kind and what is its kind's."""
        try:
            figures = _held(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return name, {}
        began_s = time.monotonic()
        try:
            async with session.get(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT) as answer:
                text = await answer.text()
        except (TimeoutError, aiohttp.ClientError):
            self.late_answers += 1
            text = ""
        figures[ANSWER] = (time.monotonic() - began_s) * 1e3
        if found := _TASKS.search(text):
            figures[TASKS] = float(found.group(1))
        if (lag_ms := self._lag_ms(pid, text)) is not None:
            figures[LAG] = lag_ms
        kind = _NUMBER.sub("s", name)
        shared = {measure: figures.pop(measure) for measure in (FILES, TASKS) if measure in figures}
        self.log.note(name, at_s, figures if kind != name else figures | shared)
        return kind, shared if kind != name else {}

    def _lag_ms(self, pid: int, text: str) -> float | None:
        """The mean lag since this process was last seen."""
        told = {part: float(value) for part, value in _LAG.findall(text)}
        if len(told) < 2:
            return None
        sum_s, count = self._lags.get(pid, (0.0, 0.0))
        self._lags[pid] = told["sum"], told["count"]
        return 1e3 * (told["sum"] - sum_s) / max(1.0, told["count"] - count)

    def _stores(self) -> dict[str, dict[str, float]]:
        found = []
        for process in self._root.children(recursive=True):
            try:
                if store := _STORES.get(process.name()):
                    found.append((store, _held(process, alone=store == "postgres")))
            except psutil.NoSuchProcess:
                continue
        return _together(found)


def _together(found: Iterable[tuple[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    whole: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for kind, figures in found:
        for measure, value in figures.items():
            whole[kind][measure] += value
    return {kind: dict(figures) for kind, figures in whole.items()}


def _held(process: psutil.Process, *, alone: bool = False) -> dict[str, float]:
    memory: Any = process.memory_info()  # `shared` is there on Linux only
    if alone:
        return {RSS: (memory.rss - getattr(memory, "shared", 0)) / _MIB}
    return {RSS: memory.rss / _MIB, FILES: float(process.num_fds())}
