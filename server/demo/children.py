"""The processes beside a demo: notices when one ends, says so, and starts it again or gives up. Does I/O."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from server.embedded.process import EmbeddedError

_LOOK_S = 0.5
_SHORT_LIFE_S = 30.0
_TRIES = 6
_LONGEST_PAUSE_S = 5.0


class Process(Protocol):
    """Something that runs in a process of its own; its address stays the same when it is started anew."""

    @property
    def process(self) -> subprocess.Popen[bytes]: ...

    def stop(self) -> None:
        """End it in order; nothing happens where it has ended."""


P = TypeVar("P", bound=Process)


@dataclass
class _Child:
    what: str
    start: Callable[[], Process]
    running: Process
    needed: bool
    started_s: float
    short_lives: int = 0


class Children:
    """Owns the processes from `start` until `stop`; `watch` is a task of the program's.

    A child is started by the main thread only, as the kernel ends it with the thread that started it; the program's
    loop runs there and stands still for the second that a database needs.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` takes one line for the person who started the demo."""
        self._say = say
        self._children: list[_Child] = []
        self.lost: EmbeddedError | None = None
        """Why the demo ended, when one that it needs could not be kept running."""

    def start(self, what: str, start: Callable[[], P], *, needed: bool) -> P:
        """Start one and own it; without a `needed` one the demo ends. Raises what `start` raises."""
        running = start()
        self._children.append(_Child(what, start, running, needed, time.monotonic()))
        return running

    def stop(self) -> None:
        """End all, the last one first."""
        while self._children:
            self._children.pop().running.stop()

    async def watch(self) -> None:
        """Look after them until cancelled, or until one that is needed is lost: then the program is told to end."""
        while self.lost is None:
            await asyncio.sleep(_LOOK_S)
            for child in list(self._children):
                if child.running.process.poll() is not None:
                    await self._again(child)
        signal.raise_signal(signal.SIGTERM)

    async def _again(self, child: _Child) -> None:
        ended = f"{child.what} ended ({_how(child.running.process.returncode)})"
        lived_s = time.monotonic() - child.started_s
        child.short_lives = child.short_lives + 1 if lived_s < _SHORT_LIFE_S else 0
        if child.short_lives >= _TRIES:
            self._give_up(child, ended)
            return
        if child.short_lives < 2:
            self._say(f"{ended}: starting it again")
        await asyncio.sleep(min(_LONGEST_PAUSE_S, 0.1 * 2**child.short_lives))
        child.started_s = time.monotonic()
        try:
            child.running = child.start()
        except (EmbeddedError, OSError) as error:
            # A database that was killed may need a moment until its last processes are gone: it is tried again.
            self._say(f"{child.what}: {error}")

    def _give_up(self, child: _Child, ended: str) -> None:
        self._children.remove(child)
        if child.needed:
            self.lost = EmbeddedError(f"{ended} again and again: the demo stops; its log is in the data folder")
        else:
            self._say(f"{ended} again and again: the demo goes on without it; its log is in the data folder")


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"status {status}"
