"""Runs an installation's processes: binds their sockets once, starts, watches, rolls and drains them. Does I/O."""

import asyncio
import itertools
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import structlog

from server.descriptors import ADVICE, ENOUGH, raise_limit
from server.gateway.limits import SEND_BUFFER_BYTES
from server.http.listener import serve
from server.listening import listen, port_of
from server.logs import configure_logs
from server.settings import Settings
from server.supervisor.admin import RollState, application
from server.supervisor.child import Child, spawn_child
from server.supervisor.plan import Ports, Worker, plan
from server.supervisor.probing import wait_ready
from server.supervisor.slot import Slot

log = structlog.get_logger("supervisor")
DRAIN_LIMIT_S = 30.0
"""A child that has not drained by then is killed."""


def supervise(settings: Settings, workers: int) -> None:
    """Run until SIGTERM or SIGINT; raises SettingsError when a process cannot start with these settings."""
    configure_logs(settings.log_level, readable=False)
    structlog.contextvars.bind_contextvars(process="supervisor")
    if (open_files := raise_limit()) < ENOUGH:
        log.warning("few_open_files", limit=open_files, advice=ADVICE)
    # Not uvloop: a child must be started from the main thread by a hook between fork and exec (PR_SET_PDEATHSIG).
    asyncio.run(Supervisor(settings, workers).run())


class Supervisor:
    """SIGTERM and SIGINT drain everything; SIGHUP replaces every process, one kind after the other."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self._settings = settings
        self._plan = plan(settings.roles, workers)
        # Twice as many as media processes: in a roll each has its successor beside it.
        self._media_ports = Ports(settings.media_port, 2 * sum("media" in worker.roles for worker in self._plan))
        self._listening: dict[str, socket.socket] = {}
        self._children: set[Child] = set()
        self._stopping = asyncio.Event()
        self._roll_asked = asyncio.Event()
        self._rolls = RollState()
        self._slots: list[Slot] = []

    async def run(self) -> None:
        """Run until told to stop, then drain every child."""
        self._catch_signals()
        async with AsyncExitStack() as stack:
            self._bind(stack)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            host = self._settings.admin_host
            self._slots = [
                Slot(worker, self._spawn, lambda child: wait_ready(session, host, child), self._forget)
                for worker in self._plan
            ]
            admin = self._listening["admin"]
            admin_port = int(admin.getsockname()[1])
            await serve(application(self._slots, self._rolls, host, lambda: admin_port, session), admin, stack)
            stack.push_async_callback(self._drain_all)
            await self._until_stopped(self._start_all())
            if self._stopping.is_set():
                return
            log.info("ready", admin_port=admin_port, workers=[worker.name for worker in self._plan])
            await self._until_stopped(self._watch())

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._roll_asked.set)

    def _bind(self, stack: AsyncExitStack) -> None:
        """Bind what the children listen on; held until the end, so that what queues there outlives any child."""
        settings = self._settings
        wanted: list[tuple[str, str, int, int | None]] = [("admin", settings.admin_host, settings.admin_port, None)]
        if "api" in settings.roles:
            wanted.append(("http", settings.host, settings.http_port, None))
        if "gateway" in settings.roles:
            wanted.append(("gateway", settings.host, settings.gateway_port, SEND_BUFFER_BYTES))
        for name, host, port, send_buffer_bytes in wanted:
            with port_of(f"{name.upper()}_PORT", port, host):
                bound = listen(host, port, send_buffer_bytes=send_buffer_bytes)
            self._listening[name] = stack.enter_context(bound)

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work until it is done or we are told to stop, which cancels it."""
        working = asyncio.ensure_future(work)
        told = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def _start_all(self) -> None:
        """Start every slot at once; the first that cannot start ends the others."""
        starting = [asyncio.ensure_future(slot.start()) for slot in self._slots]
        try:
            await asyncio.gather(*starting)
        finally:
            for one in starting:
                one.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(slot.keep())
            while True:
                await self._roll_asked.wait()
                self._roll_asked.clear()
                await self._roll()

    async def _spawn(self, worker: Worker) -> Child:
        http, gateway = (self._listening.get(name) for name in ("http", "gateway"))
        media_port = self._media_ports.take() if "media" in worker.roles else None
        try:
            child = await spawn_child(
                worker,
                http=http.fileno() if http is not None else None,
                gateway=gateway.fileno() if gateway is not None else None,
                media_port=media_port,
            )
        except OSError:
            self._media_ports.give_back(media_port or 0)
            raise
        self._children.add(child)
        return child

    def _forget(self, child: Child) -> None:
        self._children.discard(child)
        self._media_ports.give_back(child.place.media_port or 0)

    async def _roll(self) -> None:
        """Replace all processes, kind by kind; each kind's old ones drain together when the new ones are ready.

        Together, so that those who are sent away find new processes only and move once.
        """
        self._rolls.running = True
        outcome = "done"
        for roles, kind in itertools.groupby(self._slots, lambda slot: slot.worker.roles):
            slots = list(kind)
            replaced = await asyncio.gather(*(slot.replace() for slot in slots))
            await asyncio.gather(*(self._send_away(old) for old in replaced if old is not None))
            if None in replaced:
                outcome = f"abandoned: a new process for {'+'.join(roles)} did not become ready; the old ones go on"
                log.error("roll_abandoned", roles=roles)
                break
        self._rolls.ended(outcome)
        log.info("rolled", outcome=outcome)

    async def _send_away(self, old: Child) -> None:
        if not await old.drain(DRAIN_LIMIT_S):
            log.error("worker_killed", worker=old.worker.name, pid=old.pid, after_s=DRAIN_LIMIT_S)
        self._forget(old)

    async def _drain_all(self) -> None:
        await asyncio.gather(*(self._send_away(child) for child in self._children.copy()))
