"""How late the event loop comes to its timers. Does I/O: waits."""

import asyncio
from collections.abc import Callable

_EVERY_S = 0.1


async def watch_loop(observe: Callable[[float], None]) -> None:
    """Set a timer ten times a second and tell by how many seconds it was late, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + _EVERY_S
        await asyncio.sleep(_EVERY_S)
        observe(max(0.0, loop.time() - due_s))
