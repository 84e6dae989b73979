"""As many sockets as viewers, which read and do nothing else: the other end of the floor. I/O: sockets.

`python -m load_tests.bench.bare_readers PORT COUNT` connects, prints a line, and reads until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop


async def main(port: int, count: int) -> None:
    """Connect all, then read until told to stop."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"connected": count}), flush=True)
    await reader.read()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
