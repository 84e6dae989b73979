"""The probe: says numbered comments at an even pace and times when they arrive, in a process of its own. I/O: sockets.

A comment counts from the moment at which it was *to be* sent: where sender or server fall behind, the wait is part of
the figure (no coordinated omission). How late the probe itself sent, and what CPU it used, say whether to believe it.

`python -m load_tests.load.probe CAST --speakers N --listeners M` obeys lines: `do: join`, `do: start` with `per_s` and
`for_s`, `do: storm`, `do: now` (the last seconds), anything else: the totals.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import uvloop

from load_tests.load.cast import Cast, read_cast
from load_tests.load.crowd import more_files, obey_lines
from load_tests.load.ears import Ears, Heard
from load_tests.load.histogram import Histogram
from load_tests.load.wording import number_of, numbered

MOST_PER_SPEAKER_S: Final = 1.0
"""The server takes ten comments of an account in ten seconds."""
_MOST_UNANSWERED: Final = 100_000
_NOW_S: Final = 3


class Probe:
    """Speakers and listeners of one room."""

    def __init__(self, cast: Cast, speakers: int, listeners: int) -> None:
        self._cast = cast
        self._speaking = Ears("probe-speaker", cast.gateway, cast.broadcast_id, on_answer=self._answered)
        self._listening = Ears("probe-listener", cast.gateway, cast.broadcast_id, on_comment=self._heard)
        self._speakers, self._listeners = speakers, listeners
        self._intended_s: dict[int, float] = {}
        self._first_number = time.time_ns() // 1_000_000
        self._sending: asyncio.Task[None] | None = None
        self.delivery, self.acks, self.lateness = Histogram(), Histogram(), Histogram()
        self.verdicts: Counter[str] = Counter()
        self.sent = self.due = 0
        self._by_second: defaultdict[int, Histogram] = defaultdict(Histogram)
        self._began_s = self._cpu_s = 0.0
        self._used_cores = 0.0

    async def join(self) -> dict[str, Any]:
        """Listeners first, so that they hear everything."""
        await self._listening.join([self._cast.viewer(number).token for number in range(self._listeners)])
        tokens = [self._cast.viewer(self._listeners + number).token for number in range(self._speakers)]
        return await self._speaking.join(tokens)

    def start(self, per_s: float, for_s: float) -> dict[str, Any]:
        """Begin to speak; returns the pace that the accounts' own limits leave."""
        per_s = min(per_s, self._speakers * MOST_PER_SPEAKER_S)
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()
        self._sending = asyncio.get_running_loop().create_task(self._speak(per_s, for_s))
        return {"per_s": per_s}

    async def _speak(self, per_s: float, for_s: float) -> None:
        """Send each at its time by the clock, or at once where that has passed."""
        for index in range(int(per_s * for_s)):
            intended_s = self._began_s + index / per_s
            await asyncio.sleep(max(0.0, intended_s - time.monotonic()))
            self._say(index, intended_s)
        self._used_cores = self._cores()

    def _say(self, index: int, intended_s: float) -> None:
        self.due += 1
        number = self._first_number + index
        self._intended_s[number] = intended_s
        if len(self._intended_s) > _MOST_UNANSWERED:
            del self._intended_s[next(iter(self._intended_s))]
        socket = self._speaking.people[index % self._speakers].socket
        if socket is None:
            self.verdicts["not_connected"] += 1
            return
        text = numbered(number)
        socket.say({"type": "comment", "id": f"p{number}", "text": text, "kind": "comment"})
        self.sent += 1
        self.lateness.add((time.monotonic() - intended_s) * 1e3)

    def _heard(self, event: Heard) -> None:
        number = number_of(event.text)
        intended_s = self._intended_s.get(number) if number is not None else None
        if intended_s is None:
            return
        delay_ms = (time.monotonic() - intended_s) * 1e3
        self.delivery.add(delay_ms)
        self._by_second[int(intended_s - self._began_s)].add(delay_ms)

    def _answered(self, event: Heard) -> None:
        if not event.id.startswith("p"):
            return
        self.verdicts[event.verdict if event.type == "ack" else str(event.code)] += 1
        intended_s = self._intended_s.get(int(event.id[1:]))
        if intended_s is not None:
            self.acks.add((time.monotonic() - intended_s) * 1e3)

    async def storm(self) -> dict[str, Any]:
        """Cut the listeners; the speakers go on, so that there is something to miss."""
        return await self._listening.storm()

    def now(self) -> dict[str, Any]:
        """What the last seconds looked like."""
        last = int(time.monotonic() - self._began_s)
        recent = Histogram()
        for second in range(last - _NOW_S, last + 1):
            if second in self._by_second:
                recent.merge(self._by_second[second].packed())
        return {"sent": self.sent, "delivery_p99_ms": recent.percentile(0.99), "cores": self._cores()}

    def _cores(self) -> float:
        elapsed_s = time.monotonic() - self._began_s
        return (time.process_time() - self._cpu_s) / elapsed_s if elapsed_s > 0 else 0.0

    def totals(self) -> dict[str, Any]:
        """Everything measured; asked once, when what was sent had time to arrive."""
        heard, speakers = self._listening.totals(), self._speaking.totals()
        # Per listener: what passed was shown to them or left out by name, or it is lost.
        passed = self.verdicts["pass"]
        return {
            **heard,
            "byes": dict(Counter(heard["byes"]) + Counter(speakers["byes"])),
            "due": self.due,
            "sent": self.sent,
            "passed": passed,
            "verdicts": dict(self.verdicts),
            "delivery": self.delivery.packed(),
            "acks": self.acks.packed(),
            "late_p99_ms": self.lateness.percentile(0.99),
            "cores": self._used_cores or self._cores(),
            "seconds": {
                second: [times.percentile(0.5), times.percentile(0.99)]
                for second, times in sorted(self._by_second.items())
            },
            "speakers_frames": speakers["frames"],
            "speakers_events": speakers["events"],
        }

    async def end(self) -> None:
        """Stop speaking and leave."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self._speaking.leave()
        await self._listening.leave()


async def run(cast_file: Path, speakers: int, listeners: int) -> None:
    """Serve the lines."""
    probe = Probe(read_cast(cast_file), speakers, listeners)

    async def obey(order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "join":
                return await probe.join()
            case "start":
                return probe.start(order["per_s"], order["for_s"])
            case "storm":
                return await probe.storm()
            case "now":
                return probe.now()
            case _:
                return probe.totals()

    await obey_lines(obey)
    await probe.end()


if __name__ == "__main__":
    more_files()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path)
    parser.add_argument("--speakers", type=int, required=True)
    parser.add_argument("--listeners", type=int, default=10)
    given = parser.parse_args()
    uvloop.run(run(given.cast, given.speakers, given.listeners))
