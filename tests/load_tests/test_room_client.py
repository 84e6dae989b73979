"""The room client against a real WebSocket server that speaks just enough of the protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.server import ServerConnection, serve

from load_tests.http_client import Door, Person, SignIn
from load_tests.reconnection import StayAway
from load_tests.room_client import NotConnected, Refused, RoomClient
from tests.load_tests.whip_receiver import whip_receiver

DEADLINE_S = 20
Room = Callable[[ServerConnection], Coroutine[Any, Any, None]]
WELCOME = {"type": "welcome", "reconnect_after_ms": 10, "snapshot": {}}


@asynccontextmanager
async def client_of(room: Room) -> AsyncIterator[tuple[RoomClient, list[dict[str, Any]]]]:
    """Serve `room` on a free port; yield a client of it and the list that its events go to."""
    events: list[dict[str, Any]] = []
    async with (
        whip_receiver() as (_, base_url),
        aiohttp.ClientSession() as session,
        serve(room, "127.0.0.1", 0, subprotocols=["wealthcast.v1.json"]) as server,  # type: ignore[list-item]
        asyncio.timeout(DEADLINE_S),
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        person = Person(Door(base_url, session), SignIn("viewer", "secret"))
        yield RoomClient(f"ws://127.0.0.1:{port}/ws", "bc_test", "c1", person, events.append), events


async def say(connection: ServerConnection, *events: dict[str, Any]) -> None:
    """Send one frame."""
    await connection.send(json.dumps(events))


async def hear(connection: ServerConnection) -> dict[str, Any]:
    """Read one client frame."""
    message: dict[str, Any] = json.loads(await connection.recv())
    return message


async def test_hello_comes_first_and_requests_get_their_answers() -> None:
    heard = []

    async def room(connection: ServerConnection) -> None:
        heard.append(await hear(connection))
        await say(connection, WELCOME)
        while True:
            message = await hear(connection)
            if message["text"] == "bad":
                await say(connection, {"type": "error", "id": message["id"], "code": "too_long", "message": ""})
            else:
                await say(connection, {"type": "heartbeat"}, {"type": "ack", "id": message["id"], "verdict": "pass"})

    async with client_of(room) as (client, events):
        running = asyncio.create_task(client.run())
        await client.welcomed.wait()
        ack = await client.request({"type": "comment", "text": "hi", "kind": "comment"})
        with pytest.raises(Refused) as refused:
            await client.request({"type": "comment", "text": "bad", "kind": "comment"})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert heard[0] == {"type": "hello", "broadcast_id": "bc_test", "client_id": "c1", "token": "t"}
    assert (ack["verdict"], refused.value.code) == ("pass", "too_long")
    assert [event["type"] for event in events] == ["welcome", "heartbeat", "ack", "error"]


async def test_the_client_returns_after_a_bye_and_stays_away_when_told() -> None:
    codes = [4001, 4504]

    async def room(connection: ServerConnection) -> None:
        await hear(connection)
        code = codes.pop(0)
        await say(connection, WELCOME, {"type": "bye", "code": code, "reconnect": code < 4500, "retry_after_ms": 5})
        await connection.close(code)

    async with client_of(room) as (client, _):
        assert await client.run() == StayAway(4504)
    assert codes == []


async def test_a_broken_connection_fails_the_request_and_is_made_again() -> None:
    connections = 0

    async def room(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await hear(connection)
        await say(connection, WELCOME)
        await hear(connection)
        connection.transport.abort()

    async with client_of(room) as (client, _):
        running = asyncio.create_task(client.run())
        for _ in range(2):
            await client.welcomed.wait()
            with pytest.raises(NotConnected):
                await client.request({"type": "comment", "text": "hi", "kind": "comment"})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert connections == 2


async def test_nothing_is_sent_without_a_connection() -> None:
    async def room(connection: ServerConnection) -> None:
        await hear(connection)

    async with client_of(room) as (client, _):
        with pytest.raises(NotConnected):
            await client.send({"type": "like", "count": 1})
