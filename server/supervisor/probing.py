"""Asks a child's admin port whether it is ready; every question is bounded in time. Does I/O."""

import asyncio
import time
from typing import Any

import aiohttp

from server.listening import address_literal
from server.supervisor.child import Child

_ANSWER_S = 4.0
"""A child's own probes take two seconds at most."""
_READY_WITHIN_S = 30.0
_AGAIN_S = 0.2


async def readiness(session: aiohttp.ClientSession, host: str, child: Child | None) -> dict[str, Any]:
    """Return the child's own answer, or one that says why there is none."""
    if child is None or not child.serves or child.report is None:
        return {"ready": False, "parts": {"process": "not running"}}
    url = f"http://{address_literal(host)}:{child.report.admin_port}/readyz"
    try:
        async with asyncio.timeout(_ANSWER_S), session.get(url) as response:
            answer: dict[str, Any] = await response.json()
            return answer
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"ready": False, "parts": {"process": type(error).__name__}}


async def wait_ready(session: aiohttp.ClientSession, host: str, child: Child) -> bool:
    """Ask again and again until the child is ready; False when it ends or is not within half a minute."""
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while child.alive and time.monotonic() < deadline_s:
        if (await readiness(session, host, child))["ready"]:
            return True
        await asyncio.sleep(_AGAIN_S)
    return False
