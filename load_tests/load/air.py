"""Brings a broadcast on air for a load run and keeps it there: host, monitor, publisher, card. I/O: HTTP, sockets, UDP.

`python -m load_tests.load.air CAST [--no-media]` prints a line when people may come; the pattern of `bench/source.py`
is what they see. It ends when its standard input does, and leaves the broadcast live.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import uvloop

from load_tests.bench.source import Source
from load_tests.bench.webrtc_client import Identity
from load_tests.http_client import ApiError, Door, Person, SignIn
from load_tests.load.cast import Cast, CastError, Player, read_cast
from load_tests.load.crowd import obey_lines
from load_tests.room_client import RoomClient
from load_tests.show.airing import Move, Publish, next_step

_ON_AIR_WITHIN_S: Final = 60.0
_PUBLISH_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.5


def person(door: Door, player: Player) -> Person:
    """Somebody who has a token already, or signs in for one."""
    return Person(door, SignIn(player.login, player.password), token=player.token)


async def bring_on_air(host: Person, broadcast_id: str) -> None:
    """Make the moves that lead to a broadcast that may be published into; raises ApiError and TimeoutError."""
    path = f"/api/v1/broadcasts/{quote(broadcast_id)}"
    async with asyncio.timeout(_ON_AIR_WITHIN_S):
        while True:
            broadcast = await host.call("GET", path)
            step = next_step(broadcast["state"], broadcast["allowed_moves"])
            if isinstance(step, Publish):
                return
            if not isinstance(step, Move):
                raise CastError(f"{broadcast_id} cannot be brought on air: {step.why}")
            await host.call("POST", f"{path}/moves", {"move": step.name})


async def go_live(host: Person, broadcast_id: str) -> None:
    """From a rehearsal, as soon as everybody is there who has to be; raises ApiError and TimeoutError."""
    path = f"/api/v1/broadcasts/{quote(broadcast_id)}"
    async with asyncio.timeout(_ON_AIR_WITHIN_S):
        while (await host.call("GET", path))["state"] == "rehearsal":
            ready = await host.call("GET", f"{path}/readiness")
            if not ready["missing"]:
                await host.call("POST", f"{path}/moves", {"move": "go_live"})
            else:
                await asyncio.sleep(_LOOK_EVERY_S)


async def show_card(host: Person, cast: Cast) -> None:
    """Feature the product, until the sale knows that monitor and stream are there; raises ApiError and TimeoutError."""
    if not cast.product_id:
        return
    async with asyncio.timeout(_ON_AIR_WITHIN_S):
        while True:
            try:
                path = f"/api/v1/broadcasts/{quote(cast.broadcast_id)}/card"
                await host.call("PUT", path, {"product_id": cast.product_id})
                return
            except ApiError as error:
                if error.status != 409:
                    raise
            await asyncio.sleep(_LOOK_EVERY_S)


async def run(cast_file: Path, *, media: bool) -> None:
    """Go on air, say so, stay until the input ends."""
    cast = read_cast(cast_file)
    if cast.host is None or cast.monitor is None:
        raise CastError("the cast has no host and monitor")
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        door = Door(cast.http, session)
        host, monitor = person(door, cast.host), person(door, cast.monitor)
        room = RoomClient(cast.gateway, cast.broadcast_id, "load-monitor", monitor, lambda event: None)
        staying: list[asyncio.Task[Any]] = [tasks.create_task(room.run())]
        source = Source(Identity())
        await bring_on_air(host, cast.broadcast_id)
        if media:
            headers = {"Authorization": f"Bearer {await host.token()}"}
            async with aiohttp.ClientSession(headers=headers) as http:
                await source.publish(http, f"{cast.http}/whip/{quote(cast.broadcast_id)}", _PUBLISH_S)
            staying.append(tasks.create_task(source.run()))
        await go_live(host, cast.broadcast_id)
        await show_card(host, cast)

        async def obey(order: dict[str, Any]) -> dict[str, Any]:
            return {"on_air": all(not task.done() for task in staying)}

        print('{"on_air": true}', flush=True)
        await obey_lines(obey)
        for task in staying:
            task.cancel()
        source.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path)
    parser.add_argument("--no-media", action="store_true", help="somebody else publishes")
    given = parser.parse_args()
    uvloop.run(run(given.cast, media=not given.no_media))
