"""A crowd that only listens, in a process of its own. I/O: sockets.

`python -m load_tests.load.crowd CAST NAME` obeys lines of JSON, each answered by one: `do: join` with `first` and
`count`, `do: storm`, anything else: the totals. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from load_tests.load.cast import read_cast
from load_tests.load.ears import Ears

LINE_LIMIT = 1 << 24


def more_files() -> None:
    """Raise the soft limit of open files to the hard one: every person is a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def obey_lines(obey: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """Answer every line of standard input by one line until it ends."""
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await obey(json.loads(line))), flush=True)


async def run(cast_file: Path, name: str) -> None:
    """Serve the lines."""
    cast = read_cast(cast_file)
    ears = Ears(name, cast.gateway, cast.broadcast_id)

    async def obey(order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "join":
                numbers = range(order["first"], order["first"] + order["count"])
                return await ears.join([cast.viewer(number).token for number in numbers])
            case "storm":
                return await ears.storm()
            case _:
                return ears.totals()

    await obey_lines(obey)
    await ears.leave()


if __name__ == "__main__":
    more_files()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path)
    parser.add_argument("name")
    given = parser.parse_args()
    uvloop.run(run(given.cast, given.name))
