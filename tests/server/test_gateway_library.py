"""Holds what raw_connection.py relies on in `websockets`; a new release of the library has to pass this first."""

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest
import websockets.version
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.messages import Assembler
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import OPEN, Protocol

from server.gateway.frames import text_frame


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
