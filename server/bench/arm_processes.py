"""An arm's processes: each has services of its own and a share of the arm's buyers. Does I/O."""

import asyncio
import multiprocessing
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

import asyncpg
import uvloop

from server.bench.arms import Told, run_arm, wishes
from server.bench.bank import bench_service
from server.garbage import calm_collector

_WARM_UP_S = 0.5
_START_S = 60.0
_END_S = 30.0  # beyond the arm's own seconds


@dataclass(frozen=True, slots=True)
class Arm:
    """How one arm is measured; `group_most` is 1 where each order has a transaction of its own.

    Each of the `clients` orders one after another. A client of the single arm has a service, hence a connection, to
    itself; those of a grouped arm share one service a process.
    """

    name: str
    group_most: int
    clients: int
    processes: int
    buyers: int
    seconds: float


async def run_in_processes(database_url: str, arm: Arm) -> Told:
    """Start the processes, have all begin together, and return what their buyers heard."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pipes = [stack.enter_context(closing(_start(context, database_url, arm, n))) for n in range(arm.processes)]
        await _heard(pipes, _START_S)
        for pipe in pipes:
            pipe.send("begin")
        shares: list[Told] = await _heard(pipes, arm.seconds + _END_S)
    told = Told()
    for share in shares:
        told.add(share)
    return told


def _start(context: SpawnContext, database_url: str, arm: Arm, first: int) -> "Connection[Any, Any]":
    ours, theirs = context.Pipe()
    process: SpawnProcess = context.Process(target=_serve, args=(theirs, database_url, arm, first), daemon=True)
    process.start()
    theirs.close()
    return ours


async def _heard(pipes: "Sequence[Connection[Any, Any]]", patience_s: float) -> list[Any]:
    return [await asyncio.to_thread(_receive, pipe, patience_s) for pipe in pipes]


def _receive(pipe: "Connection[Any, Any]", patience_s: float) -> Any:
    if not pipe.poll(patience_s):
        raise TimeoutError("a process of the arm does not answer")
    return pipe.recv()


def _serve(pipe: "Connection[Any, Any]", database_url: str, arm: Arm, first: int) -> None:
    """One process: says when it is ready, begins when it is told to, and sends what its buyers heard."""
    uvloop.run(_run(pipe, database_url, arm, first))


async def _run(pipe: "Connection[Any, Any]", database_url: str, arm: Arm, first: int) -> None:
    mine = range(first, arm.clients, arm.processes)
    connections = len(mine) if arm.group_most == 1 else 4
    pool = await asyncpg.create_pool(database_url, min_size=connections, max_size=connections + 4)
    try:
        services = [bench_service(pool, arm.group_most) for _ in (mine if arm.group_most == 1 else range(1))]
        clients = [wishes(client, arm.clients) for client in mine]
        # Connections, plans and code as a server has them that has run for a while.
        warm = await run_arm(services, arm.name, clients, buyers=arm.buyers, seconds=_WARM_UP_S)
        calm_collector()
        pipe.send("ready")
        await asyncio.to_thread(_receive, pipe, _START_S)
        told = await run_arm(services, arm.name, clients, buyers=arm.buyers, seconds=arm.seconds)
        told.warmed_up_with = list(warm.reserved.values())
        told.contradictions += warm.contradictions
        pipe.send(told)
    finally:
        pool.terminate()
