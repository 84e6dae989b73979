"""A process that moves a broadcast and dies between the commit and what follows: database URL, broadcast, move."""

import asyncio
import os
import signal
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import asyncpg

from server.auth.principal import Principal
from server.broadcasting import Broadcasting
from server.ids import new_id
from streaming.broadcast import Broadcast, Transition
from streaming.broadcasts_postgres import PostgresBroadcasts

_ACTORS = {"terminate": "monitor", "end": "host", "pause": "host"}


class Nowhere:
    """No monitor is anywhere, which none of these moves asks."""

    async def monitor_last_seen(self, _broadcast_id: str, _account_id: str) -> datetime | None:
        return None


async def die(_broadcast: Broadcast, _made: Transition) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, broadcast_id: str, move: str) -> None:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        broadcasting = Broadcasting(PostgresBroadcasts(pool), Nowhere(), new_id, die, ZoneInfo("Asia/Shanghai"))
        role = _ACTORS[move]
        await broadcasting.move(Principal(f"ac_{role}", role, role, 2**33), broadcast_id, move, "a reason")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
