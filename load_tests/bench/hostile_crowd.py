"""Attackers of a room in a process of their own, each kind on its own order. I/O: sockets.

`python -m load_tests.bench.hostile_crowd PORT BROADCAST SOURCE` connects from the loopback address SOURCE, which the
gateway takes for a proxy, and so comes from one address on the network. Obeys lines of JSON: `{"do": KIND, "for_s",
"tokens"}`; answers with what was tried and what became of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any, Final

_ADDRESS: Final = "203.0.113.9"  # of TEST-NET-3, RFC 5737
_UPGRADE: Final = (
    "GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: {address}\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: wealthcast.v1.json\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
_ATTACKERS: Final = 50
_PAUSE_S: Final = 0.02
_CROWD: Final = 2_000
_ANSWER_S: Final = 10.0

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def frame(opcode: int, payload: bytes, *, first: int = 0x80) -> bytes:
    """A client's frame under a mask of nought."""
    length = len(payload)
    if length < 126:
        head = bytes((first | opcode, 0x80 | length))
    else:
        head = bytes((first | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    return head + bytes(4) + payload


class Crowd:
    """Opens connections and counts what became of them."""

    def __init__(self, port: int, broadcast_id: str, source: str) -> None:
        self._port = port
        self._source = source
        self._broadcast_id = broadcast_id
        self.counts: Counter[str] = Counter()

    async def open(self, *, address: str = _ADDRESS) -> _Streams | None:
        """Upgrade one connection; None when the gateway refused it, which is counted by its status."""
        self.counts["tried"] += 1
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await self.connect()
                writer.write(_UPGRADE.format(address=address).encode())
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self.counts["cut"] += 1
            return None
        status = head.split(b" ", 2)[1].decode()
        self.counts[status] += 1
        if status != "101":
            writer.close()
            return None
        return reader, writer

    async def connect(self) -> _Streams:
        """Open a bare connection from the proxy's address."""
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._source, 0), limit=1 << 16)

    async def join(self, token: str) -> _Streams | None:
        """Upgrade and say hello with a token that holds; raises nothing."""
        opened = await self.open()
        if opened is not None:
            hello = {"type": "hello", "token": token, "broadcast_id": self._broadcast_id, "client_id": "hostile"}
            opened[1].write(frame(1, json.dumps(hello).encode()))
        return opened

    async def pour(self, streams: _Streams | None, make: Callable[[], bytes]) -> None:
        """Send what `make` makes, and read, until the gateway has had enough."""
        if streams is None:
            return
        reader, writer = streams
        eating = asyncio.create_task(_eat(reader))
        try:
            while not eating.done():
                writer.write(make())
                await writer.drain()
                self.counts["sent"] += 1
                await asyncio.sleep(_PAUSE_S)
        except OSError:
            pass
        finally:
            eating.cancel()
            writer.close()
            self.counts["ended"] += 1


async def _eat(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except OSError:
        return


async def _bytes_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while byte := await reader.read(1):
        yield byte


async def _random_bytes(crowd: Crowd, token: str) -> None:
    await crowd.pour(await crowd.open(), lambda: random.randbytes(random.randint(1, 4_000)))


async def _broken_json(crowd: Crowd, token: str) -> None:
    made = (
        b'{"type":"like","count":' + b"[" * 8_000 + b"}",
        b'{"type":"comment","id":"1","text":"\\ud800"}',
        b'{"type":"like","count":1e400}',
        b'{"type":"like","count":' + b"9" * 4_000 + b"}",
        b"\xff\xfe",
    )
    await crowd.pour(await crowd.join(token), lambda: frame(1, random.choice(made)))


@cache
def _bomb() -> bytes:
    packed = zlib.compressobj(wbits=-12)
    return (packed.compress(b" " * (16 << 20)) + packed.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def _bombs(crowd: Crowd, token: str) -> None:
    await crowd.pour(await crowd.join(token), lambda: frame(1, _bomb(), first=0xC0))


async def _pings(crowd: Crowd, token: str) -> None:
    flood = frame(9, b"x" * 125) * 50 + frame(1, b'{"type":', first=0) + frame(9, b"") * 50 + frame(0, b'"ping"}')
    await crowd.pour(await crowd.join(token), lambda: flood)


async def _slow_loris(crowd: Crowd, token: str) -> None:
    crowd.counts["tried"] += 1
    reader, writer = await crowd.connect()
    eating = asyncio.create_task(_eat(reader))
    try:
        for byte in _UPGRADE.format(address=_ADDRESS).encode():
            if eating.done():
                break
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(1)
    except OSError:
        pass
    finally:
        eating.cancel()
        writer.close()
        crowd.counts["ended"] += 1


async def _never_reads(crowd: Crowd, token: str) -> None:
    streams = await crowd.join(token)
    if streams is None:
        return
    try:
        # The stream's own buffer fills, then the kernel's, then the gateway's.
        await asyncio.wait_for(streams[1].wait_closed(), 3_600)
    except OSError:
        crowd.counts["ended"] += 1
    finally:
        streams[1].close()


async def _reads_a_byte_a_second(crowd: Crowd, token: str) -> None:
    streams = await crowd.join(token)
    if streams is None:
        return
    try:
        async for _ in _bytes_of(streams[0]):
            await asyncio.sleep(1)
    except OSError:
        pass
    finally:
        streams[1].close()
        crowd.counts["ended"] += 1


async def _one_address(crowd: Crowd, token: str) -> None:
    opened = await asyncio.gather(*(crowd.open() for _ in range(_CROWD // _ATTACKERS)))
    try:
        await asyncio.sleep(3_600)
    finally:
        for streams in opened:
            if streams is not None:
                streams[1].close()


ATTACKS: Final[dict[str, Callable[[Crowd, str], Awaitable[None]]]] = {
    "random_bytes": _random_bytes,
    "broken_json": _broken_json,
    "bombs": _bombs,
    "pings": _pings,
    "slow_loris": _slow_loris,
    "never_reads": _never_reads,
    "reads_a_byte_a_second": _reads_a_byte_a_second,
    "one_address": _one_address,
}


async def attack(crowd: Crowd, kind: str, tokens: list[str], for_s: float) -> dict[str, int]:
    """Attack from many connections, each begun again when it ended, for as long."""
    crowd.counts.clear()

    async def one(token: str) -> None:
        while True:
            try:
                await ATTACKS[kind](crowd, token)
            except OSError:
                crowd.counts["cut"] += 1
            await asyncio.sleep(_PAUSE_S)

    try:
        async with asyncio.timeout(for_s), asyncio.TaskGroup() as group:
            for token in tokens:
                group.create_task(one(token))
    except TimeoutError:
        pass
    return dict(crowd.counts)


async def serve(crowd: Crowd) -> None:
    """Obey lines until the input ends."""
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order: dict[str, Any] = json.loads(line)
        print(json.dumps(await attack(crowd, order["do"], order["tokens"], order["for_s"])), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Crowd(int(sys.argv[1]), sys.argv[2], sys.argv[3])))
