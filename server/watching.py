"""Looks at something again and again; what is away is looked at the next time. Its only wait is for its own work."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("watching")
_TIMEOUT_S = 2


async def keep_looking(
    what: str, look: Callable[[], Awaitable[None]], forget: Callable[[], None], every_s: float
) -> None:
    """Look every so often until cancelled; `forget` drops what earlier looks found, as one failed since."""
    while True:
        await asyncio.sleep(every_s)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await look()
        except Exception as error:  # the boundary of a periodic task: it is tried again
            forget()
            log.warning(f"{what}_waits", error=type(error).__name__)
