"""One child process from spawn to end. Does I/O."""

import asyncio
import os
import signal
import sys
import time

import msgspec

from server.embedded.process import die_with_parent
from server.supervisor.place import Place, Report, read_report
from server.supervisor.plan import Worker

START_TIMEOUT_S = 120.0
_KILLED_WITHIN_S = 5.0


class Child:
    """A running worker; `report` is set once it serves, or says why it cannot."""

    def __init__(self, worker: Worker, place: Place, process: asyncio.subprocess.Process, pipe: int) -> None:
        self.worker = worker
        self.place = place
        self.report: Report | None = None
        self.started_s = time.monotonic()
        self._process = process
        self._pipe = pipe

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as is known."""
        return self._process.returncode is None

    @property
    def serves(self) -> bool:
        """Whether it has reported that it serves and still runs."""
        return self.alive and self.report is not None and not self.report.refused

    async def wait_started(self) -> Report | None:
        """Wait for the child's report; None when it ended or hung without one (it is killed then)."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._pipe, "rb", buffering=0)
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self.report = read_report(await reader.readline())
        except TimeoutError:
            await self.kill()
        finally:
            transport.close()
        return self.report

    async def wait(self) -> int:
        """Wait for its end, however long that takes; returns the status, negative for a signal."""
        return await self._process.wait()

    async def drain(self, within_s: float) -> bool:
        """Ask it to end and wait; one that has not ended in time is killed. Says whether it ended by itself."""
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL, and see it gone."""
        self._send(signal.SIGKILL)
        async with asyncio.timeout(_KILLED_WITHIN_S):
            await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(number)


async def spawn_child(worker: Worker, *, http: int | None, gateway: int | None, media_port: int | None) -> Child:
    """Start a worker that ends with us and holds the listening sockets of its roles; call on the main thread."""
    reading, writing = os.pipe()
    place = Place(
        name=worker.name,
        roles=worker.roles,
        report=writing,
        http=http if "api" in worker.roles else None,
        gateway=gateway if "gateway" in worker.roles else None,
        media_port=media_port if "media" in worker.roles else None,
    )
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "worker", msgspec.json.encode(place).decode(),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=[fd for fd in (place.report, place.http, place.gateway) if fd is not None],
            process_group=0,  # a terminal's Ctrl-C reaches only the supervisor, which drains
            preexec_fn=die_with_parent(os.getpid(), signal.SIGTERM),
        )  # fmt: skip
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Child(worker, place, process, reading)
