"""What a frame to one viewer costs Node's `ws` in the same run, where it is installed. Starts processes.

`ws` is looked for as Node looks for it: in a `node_modules` above the working folder, or in NODE_PATH.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from load_tests.bench.processes import running, started

_SCRIPT: Final = Path(__file__).with_name("ws_peer.js")
_LOOK_TIMEOUT_S: Final = 10.0


async def node_ws_us_per_frame(viewers: int, size: int, per_s: float, seconds: float, core: int | None) -> float | None:
    """Write frames of the same size to as many clients, as often; return the CPU of one, or None without `ws`."""
    node = shutil.which("node")
    if node is None or not await _finds_ws(node):
        return None
    arguments = (str(viewers), str(size), f"{per_s:.3f}", str(seconds))
    async with running(node, str(_SCRIPT), *arguments, core=core) as peer:
        port = (await peer.read(30))["port"]
        async with started("load_tests.bench.bare_readers", str(port), str(viewers), "--upgrade") as readers:
            await readers.read(120)
            answer = await peer.ask(seconds + 60, do="write")
    return round(float(answer["us_per_frame"]), 2)


async def _finds_ws(node: str) -> bool:
    look = await asyncio.create_subprocess_exec(
        node, "-e", "require('ws')", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_LOOK_TIMEOUT_S):
            return await look.wait() == 0
    except TimeoutError:
        look.kill()
        await look.wait()
        return False
