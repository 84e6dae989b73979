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

from commerce.catalogue_postgres import Catalogue
from commerce.envelopes import Envelopes
from server.bench.arms import Reserve, Told, run_arm, wishes
from server.bench.bank import DATA_KEYS, OnAir, bench_service
from server.bench.one_by_one import OneByOne
from server.garbage import calm_collector
from server.pool import SessionlessConnection

_WARM_UP_S = 0.5
_START_S = 60.0
_END_S = 30.0  # beyond the arm's own seconds


@dataclass(frozen=True, slots=True)
class Arm:
    """How one arm is measured: grouped, by one service a process; or one order a transaction (`one_by_one`).

    Each of the `clients` orders one after another; one of the single arm never waits for a connection.
    """

    name: str
    grouped: bool
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
    connections = 4 if arm.grouped else len(mine) + 2  # a repeat goes beside its first
    pool = await asyncpg.create_pool(
        database_url, min_size=connections, max_size=connections + 4, connection_class=SessionlessConnection
    )
    try:
        reserve = await _way_of(pool, arm)
        clients = [wishes(client, arm.clients) for client in mine]
        # Connections, plans and code as a server has them that has run for a while.
        warm = await run_arm([reserve], arm.name, clients, buyers=arm.buyers, seconds=_WARM_UP_S)
        calm_collector()
        pipe.send("ready")
        await asyncio.to_thread(_receive, pipe, _START_S)
        told = await run_arm([reserve], arm.name, clients, buyers=arm.buyers, seconds=arm.seconds)
        told.warmed_up_with = list(warm.reserved.values())
        told.contradictions += warm.contradictions
        pipe.send(told)
    finally:
        pool.terminate()


async def _way_of(pool: asyncpg.Pool, arm: Arm) -> Reserve:
    if arm.grouped:
        return bench_service(pool).sale.reserve
    async with pool.acquire(timeout=_START_S) as connection:
        card = await Catalogue(connection).card(f"pr_{arm.name}", 1)
    assert card is not None, "the arm was opened"
    return OneByOne(pool, OnAir(), Envelopes.of_base64(DATA_KEYS), {card.product_id: card}).reserve
