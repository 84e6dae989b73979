"""One place of the plan: keeps a child running in it and replaces it without a gap. Does I/O."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from server.settings import SettingsError
from server.supervisor.child import Child
from server.supervisor.plan import Backoff, Worker

log = structlog.get_logger("supervisor")
_TRIES_AT_START = 3

Spawn = Callable[[Worker], Awaitable[Child]]
Ready = Callable[[Child], Awaitable[bool]]


class Slot:
    """Holds the current child; `keep` runs as one task from `start` on."""

    def __init__(self, worker: Worker, spawn: Spawn, ready: Ready, ended: Callable[[Child], None]) -> None:
        """`ready` waits, bounded, for a child to be ready for work.

        `ended` is told once, after its end, of every child that this slot spawned and did not hand out by `replace`.
        """
        self.worker = worker
        self.child: Child | None = None
        self.restarts = 0
        self._spawn = spawn
        self._ready = ready
        self._ended = ended
        self._backoff = Backoff()
        # Held while a child is being started, so that a crash in a roll does not start a second one.
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the first child; raises SettingsError for what will not get better by itself."""
        for _ in range(_TRIES_AT_START):
            child = await self._try()
            if child is not None:
                self.child = child
                return
            await asyncio.sleep(Backoff.FIRST_S)
        raise SettingsError(f"{self.worker.name} ended {_TRIES_AT_START} times at its start (its log says why)")

    async def _try(self, *, at_start: bool = True) -> Child | None:
        try:
            child = await self._spawn(self.worker)
        except OSError as error:  # no memory or no process to be had just now
            log.error("worker_cannot_start", worker=self.worker.name, why=error.strerror)
            return None
        try:
            report = await child.wait_started()
            if child.serves:
                log.info("worker_serves", worker=self.worker.name, pid=child.pid)
                return child
        except BaseException:
            await child.kill()
            self._ended(child)
            raise
        await child.kill()  # mostly it has ended by itself
        self._ended(child)
        if report is not None and at_start:
            raise SettingsError(report.refused)
        log.error("worker_cannot_start", worker=self.worker.name, why=report.refused if report is not None else "ended")
        return None

    async def keep(self) -> None:
        """Start the child again whenever it ends, after a growing pause; until cancelled."""
        while True:
            child = self.child
            assert child is not None, "a slot is kept once it was started"
            status = await child.wait()
            async with self._starting:
                if self.child is child:  # else it was replaced, and has ended as it was told
                    self._ended(child)
                    await self._revive(child, status)

    async def _revive(self, dead: Child, status: int) -> None:
        pause_s = self._backoff.ended(time.monotonic() - dead.started_s)
        while True:
            self.restarts += 1
            log.error("worker_ended", worker=self.worker.name, pid=dead.pid, status=status, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            child = await self._try(at_start=False)
            if child is not None:
                self.child = child
                return
            pause_s = self._backoff.ended(0)

    async def replace(self) -> Child | None:
        """Bring a new child into the place and return the old one, which still serves; None if that failed.

        A successor that serves but is not ready (its stores, its schema) is ended again: the old one is the better.
        """
        async with self._starting:
            successor = await self._try(at_start=False)
            if successor is None:
                return None
            if not await self._ready(successor):
                log.error("worker_not_ready", worker=self.worker.name, pid=successor.pid)
                await successor.kill()
                self._ended(successor)
                return None
            old, self.child = self.child, successor
            return old
