"""Starts the processes of a benchmark and speaks to them by JSON lines; ends each by its own handle. Does I/O."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LINE_LIMIT: Final = 1 << 24
_END_TIMEOUT_S: Final = 10.0

UNAVAILABLE: Final = "unavailable"
"""The key of an answer that says in one line why a process cannot do its part."""


class BenchFailed(Exception):
    """A process ended or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and resident bytes of one process."""

    cpu_s: float
    rss_bytes: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Read them from /proc."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


class LineProcess:
    """A child that prints a line of JSON for each it gets; it ends when its standard input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def read(self, timeout_s: float) -> dict[str, Any]:
        """Wait for its next line; raises BenchFailed."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise BenchFailed(f"process {self.pid} did not answer within {timeout_s:g} s") from None
        if not line:
            raise BenchFailed(f"process {self.pid} ended early")
        answer: dict[str, Any] = json.loads(line)
        if UNAVAILABLE in answer:
            raise BenchFailed(answer[UNAVAILABLE])
        return answer

    async def ask(self, timeout_s: float = 30.0, **order: Any) -> dict[str, Any]:
        """Send one order and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it has ended; its last line says why
            await self._process.stdin.drain()
        return await self.read(timeout_s)

    async def end(self, timeout_s: float = _END_TIMEOUT_S) -> None:
        """Close its input and wait; kill it when it does not end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def started(
    *command: str, core: int | None = None, environment: Mapping[str, str] | None = None, end_s: float = _END_TIMEOUT_S
) -> AsyncIterator[LineProcess]:
    """Run `python -m …` for the length of the block, pinned to one core where `core` says so.

    `environment` is added to our own.
    """
    async with running(sys.executable, "-m", *command, core=core, environment=environment, end_s=end_s) as child:
        yield child


@asynccontextmanager
async def running(
    *command: str, core: int | None = None, environment: Mapping[str, str] | None = None, end_s: float = _END_TIMEOUT_S
) -> AsyncIterator[LineProcess]:
    """Run any program that speaks by lines of JSON for the length of the block."""
    pin = ("taskset", "-c", str(core)) if core is not None else ()
    process = await asyncio.create_subprocess_exec(
        *pin, *command,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_LIMIT,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    child = LineProcess(process)
    try:
        yield child
    finally:
        await child.end(end_s)
