"""Slow and many clients on real sockets: they are cut or refused, and everybody else is served meanwhile."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from server.auth.identities import LocalIdentities
from server.gateway.addresses import AddressLimits
from server.http.application import build
from server.http.body import BODY_S, json_response, read_bytes
from server.http.connections import ConnectionLimits, Door
from server.http.listener import serve
from server.listening import listen
from tests.server.people import TOKENS

COUNTED = AddressLimits(connections=100, handshakes=None, exempt=())
PATIENCE_S = 20.0
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"


async def echo(request: web.Request) -> web.Response:
    return json_response(len(await read_bytes(request)))


async def large(request: web.Request) -> web.Response:
    return web.Response(body=bytes(16 * 1024 * 1024))


@asynccontextmanager
async def door(**limits: object) -> AsyncIterator[int]:
    """A listener as the program makes it; gives its port."""
    app = build([web.post("/echo", echo), web.get("/large", large)], LocalIdentities(TOKENS), ())
    app[BODY_S] = 0.5
    async with AsyncExitStack() as stack:
        yield await serve(app, listen("127.0.0.1", 0), stack, door=Door(ConnectionLimits(**limits)))  # type: ignore[arg-type]


async def trickle(port: int, text: bytes, every_s: float) -> bytes:
    """Send a byte at a time until the server has had enough; return what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = bytearray()

    async def listen_on() -> None:
        with contextlib.suppress(ConnectionError):
            while got := await reader.read(1_000):
                said.extend(got)

    ended = asyncio.create_task(listen_on())
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            for byte in text * 100:
                if ended.done():
                    break
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.wait([ended], timeout=every_s)
        await ended
    writer.close()
    return bytes(said)


async def works(port: int) -> None:
    async with ClientSession() as session, session.post(f"http://127.0.0.1:{port}/echo", data=b"12") as response:
        assert await response.json() == 2


async def test_a_head_that_comes_a_byte_at_a_time_is_cut_and_others_are_served_meanwhile() -> None:
    async with door(head_s=0.6) as port:
        slow = [asyncio.create_task(trickle(port, b"GET / HTTP/1.1\r\nX: y\r\n", 0.1)) for _ in range(20)]
        await asyncio.sleep(0.3)
        await works(port)
        assert not any(one.done() for one in slow)
        assert await asyncio.gather(*slow) == [b""] * 20
        await works(port)


async def test_a_second_head_that_comes_a_byte_at_a_time_is_cut_too() -> None:
    async with door(head_s=0.6, idle_s=60) as port:
        first = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        assert b"200 OK" in await reader.read(1_000)
        await asyncio.sleep(1.2)  # longer than a head may take: resting is another thing
        writer.write(first)
        assert b"200 OK" in await reader.read(1_000)
        writer.write(b"GET /")
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read(1_000) == b""
        writer.close()


async def test_a_body_that_comes_a_byte_at_a_time_is_answered_408_and_cut() -> None:
    async with door() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        said = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                while got := await reader.read(1_000):
                    said.extend(got)
        assert b" 408 " in said
        assert b"body_too_slow" in said
        writer.close()
        await works(port)


async def test_a_client_that_says_nothing_or_nothing_more_is_cut() -> None:
    async with door(head_s=0.3, idle_s=0.3) as port:
        for said in (b"", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            async with asyncio.timeout(PATIENCE_S):
                with contextlib.suppress(ConnectionError):
                    while await reader.read(1_000):
                        pass
            writer.close()


async def test_a_client_that_does_not_take_its_answer_is_cut() -> None:
    async with door(stalled_s=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(2.5)
        taken = 0
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                while got := await reader.read(1 << 20):
                    taken += len(got)
        assert taken < 16 * 1024 * 1024
        writer.close()


async def test_2000_idle_connections_of_one_address_are_refused_beyond_the_cap() -> None:
    async with door(addresses=COUNTED, connections=10_000) as port:
        loop = asyncio.get_running_loop()
        opened: list[socket.socket] = []
        refused = 0
        try:
            for _ in range(2_000):
                one = socket.socket()
                one.setblocking(False)
                await loop.sock_connect(one, ("127.0.0.1", port))
                opened.append(one)
                if len(opened) > 150:  # the rest go as they are answered, so that the test holds few
                    last = opened.pop()
                    async with asyncio.timeout(PATIENCE_S):
                        refused += b" 429 " in await loop.sock_recv(last, 1_000)
                    last.close()
            assert refused == 2_000 - 150
            for one in opened[:100]:
                one.close()
            await asyncio.sleep(0.2)
            await works(port)
        finally:
            for one in opened:
                one.close()


async def test_a_full_process_answers_503_and_serves_again_when_somebody_left() -> None:
    async with door(connections=3) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = await reader.read(1_000)
        assert b" 503 " in said
        assert b"Retry-After" in said
        for _, one in held:
            one.close()
        await asyncio.sleep(0.2)
        await works(port)
        writer.close()


@pytest.mark.parametrize("head", [b"A: " + b"x" * 20_000, b"\r\n".join(b"X%d: y" % i for i in range(500))])
async def test_a_head_that_is_too_large_is_answered_400(head: bytes) -> None:
    async with door() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        assert b" 400 " in await reader.read(1_000)
        writer.close()
