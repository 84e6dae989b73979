"""What one peer, account or address may do: limits, lost peers, and delays that spread a crowd's return."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from ipaddress import IPv4Network
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
import redis.asyncio
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from chat.close_codes import CloseCode
from chat.rate_limit import Rate
from server.gateway.addresses import Addresses, AddressLimits
from tests.chat.fakes import BROADCAST
from tests.fuzz.room import RoomFrames, masked
from tests.server.gateway_rig import Rig, connected, joined

PROXIES = (IPv4Network("127.0.0.0/8"),)


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


def from_address(address: str) -> dict[str, Any]:
    return {"additional_headers": {"X-Forwarded-For": address}}


async def so(condition: Callable[[], bool]) -> None:
    """Wait for what only a counter tells."""
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it never became so")


async def test_an_address_is_refused_beyond_its_limit_and_others_are_not(rig: Rig) -> None:
    limits = AddressLimits(connections=2, trusted_proxies=PROXIES)
    async with rig.gateway(addresses=limits) as gateway:
        async with (
            connected(gateway, **from_address("198.51.100.7")) as one,
            connected(gateway, **from_address("198.51.100.7")) as two,
        ):
            # A connection counts from the end of its handshake; a welcome shows that it is there.
            for client in (one, two):
                assert (await client.hello(rig.authenticator.issue("ac_a")))["type"] == "welcome"
            with pytest.raises(InvalidStatus) as refused:
                async with connected(gateway, **from_address("198.51.100.7")):
                    pass
            assert refused.value.response.status_code == 429
            assert 30 <= int(refused.value.response.headers["Retry-After"]) <= 60
            async with connected(gateway, **from_address("198.51.100.8")) as other:
                assert (await other.hello(rig.authenticator.issue("ac_a")))["type"] == "welcome"
        for _ in range(50):
            try:
                async with connected(gateway, **from_address("198.51.100.7")):
                    break
            except InvalidStatus:
                await asyncio.sleep(0.1)
        else:
            pytest.fail("a freed place was not given away")


@pytest.mark.parametrize("limits", [AddressLimits(exempt=()), AddressLimits()], ids=["one address", "all"])
async def test_sockets_that_say_nothing_are_few_and_keep_nobody_out(rig: Rig, limits: AddressLimits) -> None:
    bounds = {"max_unopened": 40, "max_unopened_per_address": 40 if limits.exempt else 20}
    most = min(bounds.values())
    async with (
        rig.gateway(addresses=limits, handshake_s=3_600.0, **bounds) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        for _ in range(120):
            silent = held.enter_context(socket.socket())
            silent.setblocking(False)
            await asyncio.get_running_loop().sock_connect(silent, ("127.0.0.1", gateway.port))
        await so(lambda: gateway.counters.unopened_closes == 120 - most)
        assert gateway._sockets.unopened == len(gateway._sockets) == most
        async with joined(rig, gateway, ("ac_a", "viewer")) as (viewer,):
            assert (await viewer.comment("还在吗"))["verdict"] == "pass"
            assert gateway._sockets.unopened == most - 1
        await held.pop_all().aclose()
        await so(lambda: len(gateway._sockets) == 0)
        assert not gateway._sockets._by_address


async def test_two_thousand_connections_from_one_address_leave_room_for_others(rig: Rig) -> None:
    limits = AddressLimits(connections=50, handshakes=Rate(200, 0.1), trusted_proxies=PROXIES)
    async with rig.gateway(addresses=limits) as gateway, joined(rig, gateway, ("ac_other", "viewer")) as (other,):
        statuses: list[int] = []

        async def attack(count: int) -> None:
            for _ in range(count):
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(
                    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Protocol: wealthcast.v1.json\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
                )
                line = await reader.readline()
                statuses.append(int(line.split()[1]))
                writer.close()

        async with asyncio.timeout(90), asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(attack(100))
            assert (await other.comment("还在吗"))["verdict"] == "pass"
        assert len(statuses) == 2_000
        assert statuses.count(101) <= 400
        assert (await other.comment("还在"))["verdict"] == "pass"
        assert gateway.counters.refused_addresses >= 1_600


async def test_hostile_bytes_on_open_connections_end_only_those(rig: Rig) -> None:
    chance, hostile = Random(1), RoomFrames()
    opening = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: wealthcast.v1.json\r\n\r\n"
    )
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):

        async def attack(number: int) -> None:
            token = rig.authenticator.issue(f"ac_bad_{number}", chance.choice(("viewer", "monitor", "host")))
            hello = {"type": "hello", "token": token, "broadcast_id": BROADCAST, "client_id": "c"}
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(opening)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(masked(0x81, msgspec.json.encode(hello)))
            await reader.readexactly(2)  # the welcome begins
            for _ in range(8):
                writer.write(hostile.make(chance))
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        async with asyncio.timeout(90), asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(attack(number))
        assert (await a.comment("还在吗"))["verdict"] == "pass"
        await b.next_of("comment", where=lambda event: event["text"] == "还在吗")
        await so(lambda: len(gateway._sockets) == 2)
        assert gateway.counters.internal_errors == 0
        assert gateway.counters.welcomes == 102


def test_addresses_are_counted_as_networks_give_them_out() -> None:
    addresses = Addresses(AddressLimits(trusted_proxies=(IPv4Network("10.0.0.0/8"),)))
    assert addresses.key("127.0.0.1", {}) is None
    assert addresses.key("::ffff:127.0.0.1", {}) is None
    assert addresses.key("198.51.100.7", {"X-Forwarded-For": "203.0.113.1"}) == "198.51.100.7"
    assert addresses.key("10.1.1.1", {"X-Forwarded-For": "203.0.113.1, 10.2.2.2"}) == "203.0.113.1"
    assert addresses.key("2001:db8:1:2::1", {}) == addresses.key("2001:db8:1:2:ffff::9", {}) == "2001:db8:1:2::/64"
    assert addresses.key("", {}) == ""


def test_handshakes_are_limited_by_rate_and_connections_by_number() -> None:
    addresses = Addresses(AddressLimits(connections=1, handshakes=Rate(2, 1.0)))
    assert [addresses.admit("a", 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert addresses.admit("b", 0.0) == 0.0
    addresses.enter("b")
    assert addresses.admit("b", 0.0) == 30.0
    addresses.leave("b")
    assert addresses.admit("b", 0.0) == 0.0
    assert addresses.admit(None, 0.0) == 0.0


async def test_a_peer_that_is_gone_without_a_word_is_found(rig: Rig) -> None:
    """The default finds it in at most two and a half times 15 s; here time runs faster."""
    async with rig.gateway(ping_s=0.4) as gateway:
        assert 2.5 * type(gateway.options)().ping_s <= 40
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", gateway.port)) as silent:
            silent.setblocking(False)
            await loop.sock_sendall(
                silent,
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Protocol: wealthcast.v1.json\r\n\r\n",
            )
            hello = {"token": rig.authenticator.issue("ac_a"), "broadcast_id": "bc_show", "client_id": "c"}
            payload = msgspec.json.encode({"type": "hello", **hello})
            head = bytes((0x81, 0x80 | min(len(payload), 126)))
            if len(payload) > 125:
                head += len(payload).to_bytes(2, "big")
            await loop.sock_sendall(silent, head + bytes(4) + payload)
            await so(lambda: gateway.counters.welcomes == 1)
            assert gateway.counters.connections == 1
            # From here on the peer answers nothing, pings neither; its socket stays open.
            await so(lambda: gateway.counters.connections == 0)
            assert gateway.counters.silent_closes == 1


async def test_a_peer_that_says_nothing_and_answers_pings_stays(rig: Rig) -> None:
    """Three times asked is more than the two and a half periods after which one that does not answer is gone."""
    async with rig.gateway(ping_s=0.2) as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (listener,):
        pings = 0
        heard = listener.socket.process_event

        def count(event: Event) -> None:
            nonlocal pings
            pings += isinstance(event, Frame) and event.opcode is Opcode.PING
            heard(event)

        listener.socket.process_event = count  # type: ignore[method-assign]  # its library answers pings by itself
        await so(lambda: pings >= 3)
        assert gateway.counters.silent_closes == 0
        assert (await listener.comment("还在"))["verdict"] == "pass"


async def test_a_flood_of_pings_ends_its_own_connection_and_some_pings_do_not(rig: Rig) -> None:
    ping = bytes((0x89, 0x80, 0, 0, 0, 0))
    people = (("ac_calm", "viewer"), ("ac_flood", "viewer"))
    async with rig.gateway() as gateway, joined(rig, gateway, *people) as (calm, flood):
        calm.socket.transport.write(ping * 100)
        flood.socket.transport.write(ping * 20_000)
        assert await flood.closed() == (4006, "rate_limited")
        assert flood.events[-1]["type"] == "bye"
        assert flood.events[-1]["retry_after_ms"] >= 10_000
        assert gateway.counters.flood_closes == 1
        assert (await calm.comment("还在"))["type"] == "ack"


def test_delays_of_return_are_spread_between_their_bounds() -> None:
    for code in CloseCode:
        delays = [code.bye(i / 1_000).retry_after_ms for i in range(1_000)]
        if not code.reconnects:
            assert set(delays) == {None}
            continue
        known = [delay for delay in delays if delay is not None]
        assert len(known) == 1_000
        assert len(set(known)) > 300
        assert min(known) >= 0
        assert max(known) <= 20_000


async def test_every_welcome_gives_its_own_delay_of_return(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        delays = set()
        for number in range(8):
            async with connected(gateway) as client:
                delays.add((await client.hello(rig.authenticator.issue(f"ac_{number}")))["reconnect_after_ms"])
        assert len(delays) > 1
