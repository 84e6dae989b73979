"""Starts the gateway, its publisher and swarms of viewers for a bench. Does I/O."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from load_tests.bench.processes import LineProcess, started

JOIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class RoomServer:
    """A running gateway and what its first line said."""

    process: LineProcess
    port: int
    redis_url: str
    broadcast_id: str

    async def figures(self) -> dict[str, Any]:
        """Its CPU time, memory and counters now."""
        return await self.process.ask(do="figures")


async def start_server(stack: AsyncExitStack, *arguments: str, core: int | None) -> RoomServer:
    """Run a gateway with stores of its own until the stack unwinds."""
    process = await stack.enter_async_context(started("server.bench.room_server", *arguments, core=core))
    ready = await process.read(90)
    return RoomServer(process, ready["port"], ready["redis_url"], ready["broadcast_id"])


async def start_publisher(stack: AsyncExitStack, server: RoomServer) -> LineProcess:
    """Run what publishes into the room."""
    return await stack.enter_async_context(
        started("server.bench.room_publisher", server.redis_url, server.broadcast_id)
    )


async def start_swarms(
    stack: AsyncExitStack, server: RoomServer, viewers: int, swarms: int, *options: str, prefix: str = "s"
) -> list[LineProcess]:
    """Bring viewers into the room, spread over processes."""
    running = []
    for i in range(swarms):
        count = len(range(i, viewers, swarms))
        made = await server.process.ask(JOIN_S, do="tokens", count=count, prefix=f"{prefix}{i}_")
        swarm = await stack.enter_async_context(
            started("load_tests.bench.room_swarm", str(server.port), server.broadcast_id, *options)
        )
        await swarm.ask(JOIN_S, do="join", tokens=made["tokens"])
        running.append(swarm)
    return running
