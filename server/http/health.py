"""Alive, ready, and the numbers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from server.http.body import json_response

Probe = Callable[[], Awaitable[str | None]]
"""Raises when its part is not there; may return what an operator should know of a part that is."""
Refresh = Callable[[], Awaitable[None]]
"""Asks for what a scrape reads; bounded in time, never raises."""
_PROBE_TIMEOUT_S = 2


@dataclass
class Phase:
    """Where the process is in its life; only one that serves is ready."""

    now: Literal["starting", "serving", "draining"] = "serving"


def routes(probes: dict[str, Probe], phase: Phase) -> list[web.RouteDef]:
    """`/healthz` asks nobody; `/readyz` asks each probe, all at once and for two seconds at most."""

    async def healthz(request: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        answers = await ask_all(probes)
        parts = {name: said for name, (_, said) in answers.items()}
        if phase.now != "serving":
            parts["process"] = phase.now
        ready = phase.now == "serving" and all(well for well, _ in answers.values())
        return json_response({"ready": ready, "parts": parts}, status=200 if ready else 503)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]


async def ask_all(probes: dict[str, Probe]) -> dict[str, tuple[bool, str]]:
    """Ask all at once: whether each part is there, and what it says; two seconds at most."""
    answers = await asyncio.gather(*(_ask(probe) for probe in probes.values()))
    return dict(zip(probes, answers, strict=True))


def metrics_route(registry: CollectorRegistry, refreshes: Sequence[Refresh] = ()) -> web.RouteDef:
    """`/metrics`, for Prometheus; on the admin port, as it tells more than the public should know."""

    async def metrics(request: web.Request) -> web.Response:
        await asyncio.gather(*(refresh() for refresh in refreshes))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return web.get("/metrics", metrics)


async def _ask(probe: Probe) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            return True, await probe() or "ok"
    except TimeoutError:
        return False, f"no answer in {_PROBE_TIMEOUT_S} s"
    except Exception as error:  # whatever a store's client raises means that the part is not there
        return False, type(error).__name__  # never its text: that may hold an address or a password
