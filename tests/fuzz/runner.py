"""Feeds a target until its number of inputs or its time is over. Does I/O: the clock, and this process's memory."""

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.corpus import kept
from tests.fuzz.target import Target

MAX_GROWTH_BYTES = 64 << 20
_PAGE_BYTES = 4_096
_LOOK_EVERY = 1_024
_CLOCK_EVERY = 64


class Found(Exception):
    """An input that breaks the target."""

    def __init__(self, data: bytes, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.data = data


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    inputs: int
    seconds: float
    grown_bytes: int
    """Memory at the end above that after the first tenth."""


def run(target: Target, seed: int, runs: int, seconds: float | None = None) -> Outcome:
    """Feed the corpus, then inputs from `seed`: `runs` of them, or for `seconds`. Raises Found at the first finding."""
    for data in kept(target.name):
        _feed(target, data)
    chance, start_s, warm_bytes, done = Random(seed), time.monotonic(), 0, 0
    while done < runs if seconds is None else time.monotonic() - start_s < seconds:
        for _ in range(min(_LOOK_EVERY, runs - done) if seconds is None else _CLOCK_EVERY):
            _feed(target, target.make(chance))
            done += 1
        over = done / runs if seconds is None else (time.monotonic() - start_s) / seconds
        if not warm_bytes and over >= 0.1:
            warm_bytes = _resident_bytes()
    return Outcome(done, time.monotonic() - start_s, max(0, _resident_bytes() - warm_bytes))


def _feed(target: Target, data: bytes) -> None:
    try:
        target.feed(data)
    except Exception as error:  # that anything at all is raised is what is looked for
        raise Found(data, error) from error


def _resident_bytes() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * _PAGE_BYTES if statm.exists() else 0
