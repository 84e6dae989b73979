"""Alive, ready, and the numbers."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from server.http.body import json_response

Probe = Callable[[], Awaitable[None]]
_PROBE_TIMEOUT_S = 2


def routes(probes: dict[str, Probe], registry: CollectorRegistry) -> list[web.RouteDef]:
    """`/healthz` asks nobody; `/readyz` asks each probe, which raises when its part is not there; `/metrics`."""

    async def healthz(request: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        answers = await asyncio.gather(*(_ask(probe) for probe in probes.values()))
        parts = dict(zip(probes, answers, strict=True))
        ready = all(answer == "ok" for answer in answers)
        return json_response({"ready": ready, "parts": parts}, status=200 if ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


async def _ask(probe: Probe) -> str:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await probe()
    except TimeoutError:
        return f"no answer in {_PROBE_TIMEOUT_S} s"
    except Exception as error:  # whatever a store's client raises means that the part is not there
        return type(error).__name__  # never its text: that may hold an address or a password
    return "ok"
