"""What a client can send wrong: each has a stable answer and leaves everyone else untouched."""

import asyncio
import socket

import asyncpg
import pytest
import redis.asyncio
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from chat.events import CardPulled
from chat.rooms import RoomTimes
from chat.session import SessionLimits
from server.gateway.gateway import SUBPROTOCOL
from server.gateway.raw_connection import WriteLimits
from tests.chat.fakes import BROADCAST
from tests.server.gateway_rig import Client, Rig, connected, joined


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


def said(client: Client) -> list[str]:
    return [event["code"] for event in client.events if event["type"] == "error"]


@pytest.mark.parametrize("offered", [None, [Subprotocol("wealthcast.v0.json")]])
async def test_a_wrong_subprotocol_is_refused_in_the_handshake(rig: Rig, offered: list[Subprotocol] | None) -> None:
    async with rig.gateway() as gateway:
        with pytest.raises(InvalidStatus) as refusal:
            async with connected(gateway, subprotocols=offered):
                pass
        assert refusal.value.response.status_code == 400


async def test_a_foreign_origin_is_refused_and_a_native_app_is_not(rig: Rig) -> None:
    async with rig.gateway(allowed_origins=["https://bank.example"]) as gateway:
        with pytest.raises(InvalidStatus) as refusal:
            async with connected(gateway, origin=Origin("https://evil.example")):
                pass
        assert refusal.value.response.status_code == 403
        async with connected(gateway, origin=Origin("https://bank.example")), connected(gateway):
            pass


async def test_without_a_list_pages_of_the_own_host_come_in_and_no_others(rig: Rig) -> None:
    async with rig.gateway(public_url="wss://live.bank.example/ws") as gateway:
        for foreign in ("https://evil.example", "null"):
            with pytest.raises(InvalidStatus) as refusal:
                async with connected(gateway, origin=Origin(foreign)):
                    pass
            assert refusal.value.response.status_code == 403
        assert gateway.counters.refused_origins == 2
        for own in ("http://127.0.0.1:8080", "https://live.bank.example"):
            async with connected(gateway, origin=Origin(own)):
                pass


async def test_a_room_that_is_made_up_leaves_nothing_behind(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        for number in range(3):
            async with connected(gateway) as client:
                token = rig.authenticator.issue("ac_a")
                await client.send(type="hello", token=token, broadcast_id=f"bc_made_up_{number}", client_id="c")
                assert (await client.closed())[0] == 4503
        assert await rig.redis.keys("*made_up*") == []
        assert len(gateway.rooms) == 0
        assert rig.broadcasts.reads == 3


async def test_a_full_gateway_says_when_to_return(rig: Rig) -> None:
    async with rig.gateway(max_connections=1) as gateway, connected(gateway):
        with pytest.raises(InvalidStatus) as refusal:
            async with connected(gateway):
                pass
        assert refusal.value.response.status_code == 503
        assert 5 <= int(refusal.value.response.headers["Retry-After"]) <= 15
        assert gateway.counters.shed == 1


@pytest.mark.parametrize(
    ("token", "ending"),
    [("expired:1", (4003, "token_expired")), ("forged", (4501, "unauthenticated"))],
)
async def test_a_bad_token_ends_the_connection(rig: Rig, token: str, ending: tuple[int, str]) -> None:
    async with rig.gateway() as gateway, connected(gateway) as client:
        await client.hello(token)
        assert await client.closed() == ending
        bye = client.events[-1]
        assert (bye["type"], bye["code"], bye["reconnect"]) == ("bye", ending[0], ending[0] < 4500)


async def test_a_token_of_another_broadcast_is_forbidden(rig: Rig) -> None:
    async with rig.gateway() as gateway, connected(gateway) as client:
        await client.hello(rig.authenticator.issue("ac_a", broadcast_id="bc_other"))
        assert await client.closed() == (4502, "forbidden")


@pytest.mark.parametrize(
    ("state", "role", "ending"),
    [
        ("ended", "viewer", (4504, "broadcast_over")),
        ("terminated", "host", (4504, "broadcast_over")),
        ("draft", "viewer", (4503, "no_such_broadcast")),
        (None, "host", (4503, "no_such_broadcast")),
    ],
)
async def test_a_room_that_is_not_open_refuses(rig: Rig, state: str | None, role: str, ending: tuple[int, str]) -> None:
    rig.broadcasts.states = {BROADCAST: state} if state else {}
    async with rig.gateway() as gateway, connected(gateway) as client:
        await client.hello(rig.authenticator.issue("ac_host", role))
        assert await client.closed() == ending


async def test_no_hello_within_the_deadline_ends_the_connection(rig: Rig) -> None:
    async with rig.gateway(session=SessionLimits(hello_timeout_s=0.1)) as gateway, connected(gateway) as client:
        assert await client.closed() == (4002, "hello_timeout")


async def test_a_first_frame_other_than_hello_ends_the_connection(rig: Rig) -> None:
    async with rig.gateway() as gateway, connected(gateway) as client:
        await client.send(type="comment", id="m", text="hi")
        assert await client.closed() == (4500, "protocol_violation")
        assert said(client) == ["hello_expected"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "malformed_json"),
        ("[" * 16_000, "invalid_field"),
        ('{"type":"like","count":1,"x":' + '{"a":' * 3_000, "malformed_json"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"like","count":1e400}', "invalid_field"),
        ('{"type":"like","count":"3"}', "invalid_field"),
        ('{"type":"comment","id":"a","text":"\\ud800"}', "malformed_json"),
        ('{"type":"comment","id":"a b","text":"x"}', "invalid_field"),
        ('{"type":"tip","id":"a","points":0}', "invalid_field"),
        (b"\x00\xff", "binary_frame"),
    ],
)
async def test_a_bad_frame_gets_an_error_and_the_connection_goes_on(rig: Rig, frame: str | bytes, code: str) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (client,):
        await client.socket.send(frame)
        assert (await client.next_of("error"))["code"] == code
        assert (await client.comment("still here"))["verdict"] == "pass"


async def test_repeated_bad_frames_end_the_connection_and_nobody_elses(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        for _ in range(7):
            await a.socket.send("not json")
        assert await a.closed() == (4500, "protocol_violation")
        assert (await b.comment("undisturbed"))["verdict"] == "pass"


async def test_an_oversized_frame_is_closed_by_the_websocket_itself(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        await a.socket.send("x" * 20_000)
        assert (await a.closed())[0] == 1009
        assert (await b.comment("undisturbed"))["verdict"] == "pass"


async def test_a_flood_is_refused_and_then_sent_away(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (client,):
        for i in range(60):
            await client.send(type="comment", id=f"m{i}", text="刷屏")
        assert await client.closed() == (4006, "rate_limited")
        refused = next(event for event in client.events if event["type"] == "error")
        assert (refused["code"], refused["id"]) == ("rate_limited", "m10")
        assert refused["retry_after_ms"] > 0
        assert await rig.pool.fetchval("SELECT count(*) FROM comments") <= 11


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "text_empty"), ("  \u3000", "text_empty"), ("字" * 201, "text_too_long"), ("a\x00b", "text_unstorable")],
)
async def test_a_text_beyond_the_limits_is_refused_by_its_id(rig: Rig, text: str, code: str) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (client,):
        error = await client.comment(text, message_id="m-1")
        assert (error["code"], error["id"]) == (code, "m-1")


@pytest.mark.parametrize(
    ("role", "frame"),
    [
        ("checker", {"type": "comment", "id": "x", "text": "hi"}),
        ("host", {"type": "like", "count": 1}),
        ("host", {"type": "tip", "id": "x", "points": 1}),
        ("viewer", {"type": "pin", "id": "x", "comment_id": None}),
        ("guest", {"type": "pin", "id": "x", "comment_id": None}),
        ("host", {"type": "remove", "id": "x", "comment_id": "cm_1", "reason": "r"}),
    ],
)
async def test_a_role_may_not_do_what_is_not_its_own(rig: Rig, role: str, frame: dict[str, object]) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_host", role)) as (client,):
        await client.send(**frame)
        assert (await client.next_of("error"))["code"] == "forbidden"


async def test_tips_are_off_while_a_card_is_shown(rig: Rig) -> None:
    rig.broadcasts.cards[BROADCAST] = {"product_id": "pr_a"}
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (client,):
        await client.send(type="tip", id="t", points=1)
        assert (await client.next_of("error"))["code"] == "tips_disabled"


async def test_a_slow_handshake_is_cut(rig: Rig) -> None:
    async with rig.gateway(handshake_s=0.2) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_reader_that_never_reads_is_dropped_before_memory_grows_and_the_others_get_everything(rig: Rig) -> None:
    people = (("ac_a", "viewer"), ("ac_b", "viewer"))
    patient = WriteLimits(close_s=60.0)  # of a loaded machine, for reading what was written
    async with (
        rig.gateway(times=RoomTimes(tick_s=0.0), write=patient) as gateway,
        joined(rig, gateway, *people) as (a, b),
    ):
        with socket.socket() as lazy:
            # Small, so that the kernel on this side does not swallow the whole test.
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            await _hello_by_hand(lazy, gateway.port, rig.authenticator.issue("ac_lazy"))
            await a.next_of("presence", where=lambda event: event["online"] == 3)
            opened = next(iter(gateway.rooms._opened.values()))
            frames = 0
            while gateway.counters.slow_closes == 0 and frames < 20_000:
                opened.room.say(_wide_event(frames))
                opened.noted.set()
                frames += 1
                await asyncio.sleep(0)
            assert gateway.counters.slow_closes == 1
            # 128 KB asked of the kernel (it takes twice), its receive buffer, 32 KB write limit, 64 KB outbox.
            assert frames * 1_000 < 2_000_000
            # Whoever reads again is told so, and when to come back; 4000 is 0x0fa0.
            read, loop = b"", asyncio.get_running_loop()
            async with asyncio.timeout(60):
                while not read.endswith(b"\x88\x06\x0f\xa0slow"):
                    read += await loop.sock_recv(lazy, 65_536) or pytest.fail("it ended without a word")
            assert b'"type":"bye","code":4000' in read[-400:]
            assert b'"retry_after_ms":' in read[-400:]
            lazy.close()
            await b.next_of("card_pulled", where=lambda event: event["product_id"] == f"pr_{frames - 1}")
            pulled = [event["product_id"] for event in b.events if event["type"] == "card_pulled"]
            assert pulled == [f"pr_{i}" for i in range(frames)]
            await b.next_of("presence", where=lambda event: event["online"] == 2)


async def test_a_peer_that_floods_pings_without_reading_is_dropped(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        with socket.socket() as flooder:
            flooder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            await _hello_by_hand(flooder, gateway.port, rig.authenticator.issue("ac_flood"))
            connection = next(iter(gateway._participants)).connection
            ping = bytes((0x89, 0x80 | 125, 0, 0, 0, 0)) + b"x" * 125
            loop = asyncio.get_running_loop()
            most = 0
            async with asyncio.timeout(60):
                while gateway.counters.connections:
                    try:
                        async with asyncio.timeout(0.05):
                            await loop.sock_sendall(flooder, ping * 500)
                    except (TimeoutError, OSError):
                        pass
                    most = max(most, connection.transport.get_write_buffer_size())
            assert most < 1_000_000
            assert gateway.counters.flood_closes + gateway.counters.slow_closes == 1


def _wide_event(number: int) -> CardPulled:
    return CardPulled(f"pr_{number}", "r" * 950)


async def _hello_by_hand(peer: socket.socket, port: int, token: str) -> None:
    """Shake hands and say hello on a bare socket, and read nothing after the handshake's answer."""
    loop = asyncio.get_running_loop()
    peer.setblocking(False)
    await loop.sock_connect(peer, ("127.0.0.1", port))
    request = (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    await loop.sock_sendall(peer, request.encode())
    assert (await loop.sock_recv(peer, 200)).startswith(b"HTTP/1.1 101")
    hello = f'{{"type":"hello","token":"{token}","broadcast_id":"{BROADCAST}","client_id":"c"}}'.encode()
    assert len(hello) <= 125
    await loop.sock_sendall(peer, bytes((0x81, 0x80 | len(hello), 0, 0, 0, 0)) + hello)
