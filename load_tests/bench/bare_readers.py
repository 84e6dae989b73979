"""As many sockets as viewers, which read and do nothing else: the other end of the floor. I/O: sockets.

`python -m load_tests.bench.bare_readers PORT COUNT [--upgrade]` connects, prints a line, and reads until its input
ends; with `--upgrade` each asks for a WebSocket and counts as connected once it was answered.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

_OPENING = (
    b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class _Upgrading(asyncio.Protocol):
    """Takes whatever comes; the first of it answers the upgrade."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Note the answer."""
        if not self.answered.done():
            self.answered.set_result(None)


async def main(port: int, count: int, *, upgrade: bool) -> None:
    """Connect all, then read until told to stop."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        if not upgrade:
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
            continue
        transport, upgrading = await loop.create_connection(_Upgrading, "127.0.0.1", port)
        transport.write(_OPENING)
        async with asyncio.timeout(10):
            await upgrading.answered
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"connected": count}), flush=True)
    await reader.read()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), upgrade="--upgrade" in sys.argv[3:]))
