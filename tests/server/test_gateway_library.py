"""Holds what raw_connection.py relies on in `websockets`; a new release of the library has to pass this first."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets.version
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.messages import Assembler
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import OPEN, Protocol

from chat.shared_frame import SharedFrame
from server.gateway.addresses import AddressLimits
from server.gateway.counters import GatewayCounters
from server.gateway.frames import text_frame
from server.gateway.gateway import DEFLATE
from server.gateway.raw_connection import RawConnection, WriteLimits
from server.gateway.sockets import Sockets


@pytest.fixture
async def server_side() -> AsyncIterator[tuple[ServerConnection, object]]:
    arrived: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def handler(connection: ServerConnection) -> None:
        arrived.set_result(connection)
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as client:
            yield await arrived, client


def test_the_pinned_release_is_installed() -> None:
    assert websockets.version.version == "17.4"


async def test_an_open_connection_has_the_attributes_that_raw_writes_ask(
    server_side: tuple[ServerConnection, object],
) -> None:
    connection, _ = server_side
    assert connection.protocol.state is OPEN
    assert connection.send_in_progress is None
    assert connection.paused is False
    assert connection.transport.is_closing() is False
    assert connection.recv_messages.paused is False


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
async def test_a_raw_frame_arrives_like_one_sent_by_the_library(
    server_side: tuple[ServerConnection, object], size: int
) -> None:
    connection, client = server_side
    assert isinstance(client, Connection)
    connection.transport.write(text_frame(b"x" * size))
    await connection.send("by the library")
    assert await client.recv() == "x" * size
    assert await client.recv() == "by the library"


def test_the_assembler_calls_the_resume_that_is_set_on_it() -> None:
    source = inspect.getsource(Assembler.maybe_resume)
    assert "self.resume()" in source
    assert "self.paused" in source


def test_the_flow_control_callbacks_and_the_close_are_synchronous() -> None:
    for name in ("pause_writing", "resume_writing", "connection_made", "connection_lost", "send_data"):
        assert not inspect.iscoroutinefunction(getattr(Connection, name))
    assert not inspect.iscoroutinefunction(Protocol.send_close)


def test_what_a_settled_connection_lets_go_of_is_not_asked_for_again() -> None:
    """`request_rcvd` serves the handshake alone; `drain_waiters` is only appended to, walked and removed from."""
    library = inspect.getsource(Connection) + inspect.getsource(ServerConnection)
    assert library.count("self.request_rcvd") == library.count("self.request_rcvd.set_result(None)") + 2
    uses = {line.strip() for line in library.splitlines() if "self.drain_waiters" in line}
    assert uses == {
        "self.drain_waiters: collections.deque[asyncio.Future[None]] = (",
        "for waiter in self.drain_waiters:",
        "self.drain_waiters.append(waiter)",
        "self.drain_waiters.remove(waiter)",
    }


@pytest.mark.parametrize("client_bits", [9, 12, 15])
async def test_a_shared_compressed_frame_is_read_by_connections_of_every_window_and_by_those_without(
    client_bits: int,
) -> None:
    arrived: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def handler(connection: ServerConnection) -> None:
        arrived.put_nowait(connection)
        await connection.wait_closed()

    asked = [ClientPerMessageDeflateFactory(server_max_window_bits=client_bits, client_max_window_bits=True)]
    counters = GatewayCounters()
    sockets = Sockets(counters, AddressLimits(), unopened=9, unopened_per_address=9)
    create: Any = functools.partial(RawConnection, limits=WriteLimits(), counters=counters, sockets=sockets)
    async with serve(
        handler, "127.0.0.1", 0, compression=None, extensions=[DEFLATE], create_connection=create
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with (
            connect(url, compression=None, extensions=asked) as squeezing,
            connect(url, compression=None) as plain,
        ):
            peers = [await arrived.get(), await arrived.get()]
            payloads = [f"汇率 {i} " * 200 for i in range(4)] + ["short"]
            for peer in peers:
                assert isinstance(peer, RawConnection)
                peer.settle()
            for payload in payloads:
                frame = SharedFrame([("must", payload.encode())], text_frame)
                for peer in peers:
                    assert isinstance(peer, RawConnection)
                    peer.offer(frame)
            for client in (squeezing, plain):
                assert [await client.recv() for _ in payloads] == [f"[{payload}]" for payload in payloads]
            sizes = {len(frame.form(0, bits).data) for bits in (0, min(client_bits, 12))}
            assert len(sizes) == 1  # too short to be worth it


def test_a_compressed_frame_is_much_smaller_and_made_once() -> None:
    frame = SharedFrame([("must", b'{"type":"comment"}')] * 50, text_frame)
    assert len(frame.form(0, 12).data) * 5 < len(frame.whole)
    assert frame.form(0, 12) is frame.form(0, 12)
