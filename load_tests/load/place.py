"""Where a load run goes to: an installation of its own, or one that is there, with its people. I/O: processes, HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from load_tests.bench.processes import LineProcess, started
from load_tests.http_client import Door, SignIn
from load_tests.load.cast import Cast, Player, read_cast
from load_tests.load.plan import Plan

JOIN_S: Final = 300.0
LISTENERS: Final = 10

Say = Callable[[str], None]
"""Shows one line of progress, in the place of the one before."""


@dataclass
class Place:
    """Where the run goes to: `deployment` is the process that holds it where it was started for the run."""

    cast: Cast
    admin: str
    deployment: LineProcess | None = None


@asynccontextmanager
async def own_installation(plan: Plan, workers: str, shown_per_s: int, say: Say) -> AsyncIterator[Place]:
    """Start one for the run, with an account for everybody who talks or buys."""
    talkers = plan.viewers + plan.chatters + speakers(plan) + LISTENERS
    accounts = plan.buyers + max(talkers, plan.crowd)
    say(f"starting an installation with {accounts} accounts")
    arguments = ["--viewers", str(accounts), "--buyers", str(plan.buyers), "--quota-minor", str(plan.quota_minor)]
    arguments += ["--workers", workers, "--shown-per-s", str(shown_per_s)]
    async with started("server.bench.deployment", *arguments) as process:
        said = await process.read(JOIN_S)
        yield Place(msgspec.convert(said["cast"], Cast), said["admin"], process)


async def given_installation(cast_file: Path, host: str | None, admin: str, say: Say) -> Place:
    """Read the cast, put `host` in the place of its address, and sign everybody in; raises CastError."""
    cast = read_cast(cast_file)
    cast = msgspec.structs.replace(cast, http=(host or cast.http).rstrip("/"))
    async with aiohttp.ClientSession() as session:
        door = Door(cast.http, session)
        people = []
        for number, player in enumerate(cast.viewers, 1):
            say(f"signing in {number} of {len(cast.viewers)}")
            people.append(await _signed_in(door, player))
    return Place(msgspec.structs.replace(cast, viewers=people), admin)


async def _signed_in(door: Door, player: Player) -> Player:
    if player.token:
        return player
    session = await door.sign_in(SignIn(player.login, player.password))
    return msgspec.structs.replace(player, token=str(session["token"]))


def speakers(plan: Plan) -> int:
    """An account may say one comment a second; a few more than that, so that none comes near its limit."""
    return max(1, round(plan.events_per_s * 1.1))
