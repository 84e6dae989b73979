"""Conducts one load run: starts its processes, lets them play, gathers what they measured. I/O: processes, files."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from load_tests.bench.processes import LineProcess, started
from load_tests.bench.swarm import TOKEN_VARIABLE
from load_tests.load.cast import write_cast
from load_tests.load.limits import Look
from load_tests.load.locust_run import RUN_VARIABLE, Orders
from load_tests.load.place import JOIN_S, LISTENERS, Place, Say, speakers
from load_tests.load.plan import Plan, strikes_at_s
from load_tests.load.saturation import Generator, machine_verdict, verdict
from load_tests.load.summary import Measured, delivered
from load_tests.load.watch import Sample, Watch, cores_between, figures_between, machine_busy, memory_between

_LOCUST_PATIENCE_S: Final = 60.0
_SETTLE_S: Final = 3.0
_PROGRESS_EVERY_S: Final = 2.0
_MEDIA_JOINS_PER_S: Final = 25.0
_LOCUSTFILE: Final = Path(__file__).resolve().parents[1] / "locustfile.py"


class RunFailed(Exception):
    """The run could not be made; the message says why."""


@dataclass
class Outcome:
    """What a run has brought."""

    measured: Measured
    saturated: list[str]
    looks: list[Look]
    cores: dict[str, float]
    delivery: dict[int, list[float]] = field(default_factory=dict)
    """p50 and p99 of the comments due in each second, in milliseconds."""
    seconds: float = 0.0


class Conductor:
    """One run against one place; `folder` takes logs and Locust's own files."""

    def __init__(self, plan: Plan, place: Place, folder: Path, say: Say) -> None:
        self._plan, self._place, self._folder, self._say = plan, place, folder, say
        self._cast_file = folder / ".cast.json"
        self._watch = Watch(place.admin)
        self._measured = Measured()
        self._media: LineProcess | None = None
        self._crowd: LineProcess | None = None

    async def run(self) -> Outcome:
        """Make the run; raises RunFailed and BenchFailed."""
        write_cast(self._cast_file, self._place.cast)
        try:
            async with AsyncExitStack() as stack:
                await self._go_on_air(stack)
                watching = asyncio.create_task(self._watch.run())
                stack.push_async_callback(_ended, watching)
                return await self._conduct(stack)
        finally:
            self._cast_file.unlink(missing_ok=True)

    async def _go_on_air(self, stack: AsyncExitStack) -> None:
        """Bring the broadcast on air where the cast has who may do that; else it has to be."""
        cast = self._place.cast
        if cast.host is None or cast.monitor is None:
            return
        self._say("bringing the broadcast on air")
        air = await stack.enter_async_context(started("load_tests.load.air", str(self._cast_file)))
        await air.read(JOIN_S)
        self._watch.own["publisher"] = air.pid

    async def _conduct(self, stack: AsyncExitStack) -> Outcome:
        plan = self._plan
        arguments = (str(self._cast_file), "--speakers", str(speakers(plan)), "--listeners", str(LISTENERS))
        probe = await stack.enter_async_context(started("load_tests.load.probe", *arguments))
        self._watch.own["probe"] = probe.pid
        self._measured.connects = await probe.ask(JOIN_S, do="join")
        await self._join_crowd(stack)
        await self._join_media(stack)
        began_s = time.monotonic()
        first = self._watch.samples[-1]
        strike_s = strikes_at_s(plan)
        async with self._locust(None if strike_s is None else began_s + strike_s) as locust:
            await probe.ask(do="start", per_s=plan.events_per_s, for_s=plan.seconds)
            await self._play(probe, began_s, strike_s)
            last = self._watch.samples[-1]
            self._say("letting what is under way arrive")
            await self._end(locust)
        await asyncio.sleep(_SETTLE_S)
        await self._gather(probe)
        return await self._outcome(began_s, first, last)

    async def _join_crowd(self, stack: AsyncExitStack) -> None:
        plan = self._plan
        if not plan.crowd:
            return
        await asyncio.sleep(2)
        empty = self._watch.samples[-1]
        self._crowd = await stack.enter_async_context(started("load_tests.load.crowd", str(self._cast_file), "crowd"))
        self._watch.own["crowd"] = self._crowd.pid
        self._say(f"{plan.crowd:,} listeners come in")
        self._measured.connects = await self._crowd.ask(JOIN_S, do="join", first=speakers(plan), count=plan.crowd)
        await asyncio.sleep(2)
        self._measured.server |= memory_between(empty, self._watch.samples[-1])

    async def _join_media(self, stack: AsyncExitStack) -> None:
        plan, cast = self._plan, self._place.cast
        if not plan.media:
            return
        self._say(f"{plan.media} WHEP viewers come in")
        url = f"{cast.http}/whep/{quote(cast.broadcast_id)}"
        token = {TOKEN_VARIABLE: cast.viewer(0).token}
        self._media = await stack.enter_async_context(started("load_tests.bench.swarm", url, environment=token))
        self._watch.own["media"] = self._media.pid
        await self._media.ask(JOIN_S, do="join", viewers=plan.media, per_s=_MEDIA_JOINS_PER_S)
        await asyncio.sleep(1)
        firsts = await self._media.ask(do="totals")
        await self._media.ask(do="reset")
        self._measured.media["first_frame_p95_ms"] = firsts["first_frame_p95_ms"]

    @asynccontextmanager
    async def _locust(self, strikes_at: float | None) -> AsyncIterator[asyncio.subprocess.Process]:
        orders = Orders(self._plan, str(self._cast_file), str(self._figures_file), strikes_at)
        orders_file = self._folder / ".orders.json"
        orders_file.write_bytes(msgspec.json.encode(orders))
        argv = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary"]
        argv += ["--csv", str(self._folder / "locust"), "--host", self._place.cast.http]
        with (self._folder / "locust.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *argv, env={**os.environ, RUN_VARIABLE: str(orders_file)},
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._watch.own["locust"] = process.pid
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            orders_file.unlink(missing_ok=True)

    @property
    def _figures_file(self) -> Path:
        return self._folder / ".locust.json"

    async def _play(self, probe: LineProcess, began_s: float, strike_s: float | None) -> None:
        """Wait for the end, strike in between, and say how it goes."""
        storms: asyncio.Task[None] | None = None
        while (elapsed_s := time.monotonic() - began_s) < self._plan.seconds:
            if strike_s is not None and self._plan.shape == "storm" and storms is None and elapsed_s >= strike_s:
                storms = asyncio.create_task(self._storm(probe))
            await asyncio.sleep(min(_PROGRESS_EVERY_S, self._plan.seconds - elapsed_s + 0.01))
            if storms is None or storms.done():
                self._progress(await probe.ask(do="now"), elapsed_s)
        if storms is not None:
            await storms

    async def _storm(self, probe: LineProcess) -> None:
        """Cut the listeners of probe and crowd at once; Locust cuts its own at the same moment by the clock."""
        parts = [part for part in (probe, self._crowd) if part is not None]
        self._measured.storms = list(await asyncio.gather(*(part.ask(JOIN_S, do="storm") for part in parts)))

    def _progress(self, now: dict[str, Any], elapsed_s: float) -> None:
        sample = self._watch.samples[-1]
        p99 = now["delivery_p99_ms"]
        self._say(
            f"{elapsed_s:4.0f} of {self._plan.seconds:.0f} s · {sample.total('wealthcast_gateway_connections'):,.0f} "
            f"connections · {now['sent']:,} comments · delivery p99 " + ("–" if p99 is None else f"{p99:.0f} ms")
        )

    async def _end(self, locust: asyncio.subprocess.Process) -> None:
        """Locust ends by its own clock; it gets a while, then SIGTERM."""
        for _ in range(2):
            try:
                async with asyncio.timeout(_LOCUST_PATIENCE_S):
                    await locust.wait()
                break
            except TimeoutError:
                locust.send_signal(signal.SIGTERM)
        if not self._figures_file.exists():
            raise RunFailed(
                f"Locust ended with status {locust.returncode} and no figures: see {self._folder}/locust.log"
            )

    async def _gather(self, probe: LineProcess) -> None:
        measured = self._measured
        measured.locust = json.loads(self._figures_file.read_bytes())
        self._figures_file.unlink()
        if self._media is not None:
            totals = await self._media.ask(60, do="totals")
            measured.media = totals | {"first_frame_p95_ms": measured.media["first_frame_p95_ms"]}
        measured.probe = await probe.ask(60, do="totals")
        if self._crowd is not None:
            measured.crowd = await self._crowd.ask(120, do="totals")
        deployment = self._place.deployment
        if deployment is not None:
            measured.server |= await deployment.ask(60, do="redis")
            measured.books = await deployment.ask(120, do="orders", told=measured.locust["orders"]["told"])

    async def _outcome(self, began_s: float, first: Sample, last: Sample) -> Outcome:
        measured = self._measured
        measured.server |= figures_between(first, last, delivered(measured))
        busy = machine_busy(first, last)
        measured.server["generator_machine_busy"] = busy
        cores = cores_between(first, last)
        saturated = self._saturated(cores) + machine_verdict(busy)
        delivery = {int(second): values for second, values in measured.probe["seconds"].items()}
        return Outcome(measured, saturated, self._looks(began_s), cores, delivery, last.at_s - first.at_s)

    def _saturated(self, cores: dict[str, float]) -> list[str]:
        probe, locust = self._measured.probe, self._measured.locust
        sent_share = probe["sent"] / probe["due"] if probe["due"] else None
        generators = [
            Generator("the probe", probe["cores"], probe["late_p99_ms"], sent_share),
            Generator("Locust", locust["cores"], locust["late_p99_ms"]),
        ]
        others = ("crowd", "media", "publisher")
        generators += [Generator(f"the {name}", cores[f"load {name}"]) for name in others if f"load {name}" in cores]
        return [why for generator in generators for why in verdict(generator)]

    def _looks(self, began_s: float) -> list[Look]:
        samples = self._watch.samples
        return [
            Look(
                round(later.at_s - began_s, 1),
                machine_busy(sooner, later),
                cores_between(sooner, later),
                round(later.total("wealthcast_gateway_connections")),
            )
            for sooner, later in itertools.pairwise(samples)
        ]


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
