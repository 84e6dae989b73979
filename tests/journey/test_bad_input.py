"""Every kind of bad input, sent to a real server on the air: a stable code each, and nobody else notices."""

import asyncio
import json
import re
import socket
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aioice import stun
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from server.auth.tokens import Tokens
from server.demo.bank import OWN_ID, PRODUCT_ID
from server.demo.seed import seed
from server.http.operations import OPERATIONS
from tests.commerce.bank import DATA_KEYS
from tests.journey.serving import SECRET, Guest, Server, in_the_room, serving
from tests.journey.test_survival import acknowledge, feature, on_air

OFFERS = Path(__file__).parents[1] / "streaming" / "offers"
SDP = {"Content-Type": "application/sdp"}
ROOM = Subprotocol("wealthcast.v1.json")
AMOUNTS = ("0", "-100000", "100000.5", "1e5", "9" * 30, '"100000"', "null", "true", "[1]")
POINTS = ("0", "-1", "1.5", "9" * 30, '"5"', "null", "1e400")


@pytest.fixture
async def seeded_url(postgres_url: str) -> str:
    await asyncio.to_thread(seed, postgres_url, DATA_KEYS)
    return postgres_url


def token(account_id: str, role: str, *, secret: str = SECRET, ago_s: int = 0, broadcast_id: str | None = None) -> str:
    # Made as the file is read, which may be long before its turn comes.
    issued, _ = Tokens(secret, 86_400).issue(
        account_id, role, "x", now_s=int(time.time()) - ago_s, broadcast_id=broadcast_id
    )
    return issued


VIEWER = token("ac_customer01", "viewer")
BAD_TOKENS = (
    ("nonsense", "bad_token", 4501),
    (token("ac_customer01", "viewer", secret="x" * 40), "bad_token", 4501),
    (token("ac_customer01", "viewer", ago_s=100_000), "token_expired", 4003),
    (token("ac_customer01", "viewer", broadcast_id="bc_other"), "forbidden", 4502),
)


class Visitor:
    """Speaks HTTP as it likes."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def ask(
        self, method: str, path: str, bearer: str = VIEWER, body: Any = None, **headers: str
    ) -> tuple[int, str]:
        """Send text as it is, or JSON; return status and code."""
        sent = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        kept = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json", **headers}
        async with self.session.request(method, path, data=sent, headers=kept) as response:
            answer = await response.read()
            told = json.loads(answer) if answer.startswith(b"{") else {}
            return response.status, str(told.get("code", ""))


async def test_bad_input_has_a_code_and_leaves_everyone_else_untouched(seeded_url: str, redis_url: str) -> None:
    async with (
        serving(seeded_url, redis_url) as server,
        on_air(server) as host,
        in_the_room(server, "mei", "bo") as (viewer, bystander),
        aiohttp.ClientSession(server.base) as session,
    ):
        visitor = Visitor(session)
        await feature(host)
        await bad_tokens(server, visitor)
        await bad_json_and_broadcasts_that_do_not_exist(visitor)
        await bad_orders(visitor, viewer, bystander)
        await bad_cards(visitor, await host.person.token())
        await bad_media(server, visitor, await host.person.token())
        await bad_frames(server, await viewer.person.token())
        spoken = await bystander.room.request({"type": "comment", "kind": "comment", "text": "一切如常"})
        assert spoken["verdict"] == "pass"
        assert not [event for event in bystander.told.events if event["type"] in ("error", "bye")]
        assert server.process.returncode is None


async def bad_tokens(server: Server, visitor: Visitor) -> None:
    for bearer, code, close_code in BAD_TOKENS:
        status = 403 if code == "forbidden" else 401
        assert await visitor.ask("GET", f"/api/v1/broadcasts/{OWN_ID}", bearer) == (status, code)
        for door in ("whip", "whep"):
            assert await visitor.ask("POST", f"/{door}/{OWN_ID}", bearer, "v=0", **SDP) == (status, code)
        async with connect(server.gateway, subprotocols=[ROOM]) as room:
            await hello(room, bearer)
            await room.wait_closed()
            assert room.close_code == close_code


async def bad_json_and_broadcasts_that_do_not_exist(visitor: Visitor) -> None:
    for body, code in (
        ("{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        ("[" * 5_000, "bad_field"),
        ('{"a":1}', "bad_field"),
    ):
        assert (await visitor.ask("POST", "/api/v1/acknowledgements", body=body))[1] == code
    assert await visitor.ask("POST", "/api/v1/sessions", body="x" * 40_000) == (413, "too_large")
    for path in ("", "/card", "/questions", f"/gate?product_id={PRODUCT_ID}"):
        found = await visitor.ask("GET", f"/api/v1/broadcasts/bc_none{path}")
        assert found[0] in (404, 409), path
        assert found[1] in ("no_such_broadcast", "no_card", "card_pulled"), path
    for door in ("whip", "whep"):
        assert await visitor.ask("POST", f"/{door}/bc_none", body="v=0", **SDP) == (404, "no_such_broadcast")


async def bad_orders(visitor: Visitor, viewer: Guest, other: Guest) -> None:
    mine, theirs = await viewer.person.token(), await other.person.token()
    acknowledgement_id = await acknowledge(viewer.person)

    async def order(amount: str, bearer: str = mine, key: str | None = None) -> tuple[int, str]:
        body = f'{{"acknowledgement_id":"{acknowledgement_id}","amount_minor":{amount},"currency":"CNY"}}'
        return await visitor.ask("POST", "/api/v1/orders", bearer, body, **{"Idempotency-Key": key or uuid4().hex})

    for amount in AMOUNTS:
        assert await order(amount) == (422, "bad_amount"), amount
    assert (await order("1e400"))[0] in (400, 422)
    assert await order("100000", theirs) == (422, "disclosure_missing")
    assert await order("100000", key="once") == (201, "")
    assert await order("200000", key="once") == (409, "idempotency_conflict")
    (bought,) = (await viewer.person.call("GET", "/api/v1/orders"))["orders"]
    path = f"/api/v1/orders/{bought['order_id']}"
    assert await visitor.ask("GET", path, theirs) == (404, "no_such_order")
    for act in ("submit", "extend", "cancel"):
        assert await visitor.ask("POST", f"{path}/{act}", theirs, **{"Idempotency-Key": act}) == (404, "no_such_order")


async def bad_cards(visitor: Visitor, host_token: str) -> None:
    """A draft product's card is neither shown nor gated nor listed for customers."""
    example = next(one.example for one in OPERATIONS if (one.method, one.path) == ("POST", "/api/v1/products"))
    created = await visitor.session.post(
        "/api/v1/products", json=example, headers={"Authorization": f"Bearer {host_token}"}
    )
    assert created.status == 201, await created.text()
    draft_id = (await created.json())["product_id"]
    card = f"/api/v1/broadcasts/{OWN_ID}/card"
    # A shelf takes approved products only, and the stage what is on the shelf.
    assert await visitor.ask("PUT", card, host_token, {"product_id": draft_id}) == (409, "not_on_shelf")
    assert await visitor.ask("PUT", card, host_token, {"product_id": "pr_none"}) == (409, "not_on_shelf")
    gate = f"/api/v1/broadcasts/{OWN_ID}/gate?product_id={draft_id}"
    assert (await visitor.ask("GET", gate))[0] in (404, 409)
    assert await visitor.ask("GET", f"/api/v1/products/{draft_id}") == (404, "no_such_product")


async def bad_media(server: Server, visitor: Visitor, host_token: str) -> None:
    publisher, watcher = ((OFFERS / name).read_text() for name in ("chromium_publisher.sdp", "chromium_viewer.sdp"))
    whip, whep = f"/whip/{OWN_ID}", f"/whep/{OWN_ID}"
    for offer in ("", "hello", "v=0\r\n", "\x00" * 100, "v=0\r\n" * 5_000):
        assert await visitor.ask("POST", whip, host_token, offer, **SDP) == (400, "bad_sdp"), offer[:20]
    useless = re.sub(r"a=rtpmap:(\d+) \w+/", r"a=rtpmap:\1 NONE/", publisher)
    assert await visitor.ask("POST", whip, host_token, useless, **SDP) == (406, "no_usable_codec")
    assert await visitor.ask("POST", whip, body=publisher, **SDP) == (403, "forbidden")
    created = await visitor.session.post(whip, data=publisher, headers={**SDP, "Authorization": f"Bearer {host_token}"})
    assert created.status == 201
    assert await visitor.ask("POST", whip, host_token, publisher, **SDP) == (409, "publisher_exists")
    watching = await visitor.session.post(whep, data=watcher, headers={**SDP, "Authorization": f"Bearer {VIEWER}"})
    assert watching.status == 201
    await bad_stun(server, watcher, await watching.text())
    other = token("ac_customer02", "viewer")
    assert await visitor.ask("DELETE", watching.headers["Location"], other) == (403, "not_your_resource")
    own = await visitor.session.post(
        "/api/v1/broadcasts", json={"title": "草稿"}, headers={"Authorization": f"Bearer {host_token}"}
    )
    draft_id = (await own.json())["broadcast_id"]
    assert await visitor.ask("POST", f"/whip/{draft_id}", host_token, publisher, **SDP) == (409, "not_live")
    assert await visitor.ask("POST", f"/whep/{draft_id}", body=watcher, **SDP) == (409, "not_live")


async def bad_stun(server: Server, offer: str, answer: str) -> None:
    """A binding request with a wrong password is not answered; the right one is."""

    def named(name: str, sdp: str) -> str:
        found = re.search(rf"^a={name}:(\S+)", sdp, re.MULTILINE)
        assert found is not None
        return found[1]

    async def binding(password: str) -> bool:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{named('ice-ufrag', answer)}:{named('ice-ufrag', offer)}"
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLING"] = 1
        message.add_message_integrity(password.encode())
        message.add_fingerprint()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(client, bytes(message), ("127.0.0.1", server.port + 2))
            try:
                async with asyncio.timeout(10 if password != "wrong" else 0.5):
                    return bool(await loop.sock_recv(client, 2_000))
            except TimeoutError:
                return False

    assert not await binding("wrong")
    assert await binding(named("ice-pwd", answer))


async def bad_frames(server: Server, bearer: str) -> None:
    for offered in (None, [Subprotocol("wealthcast.v0.json")]):
        with pytest.raises(InvalidStatus):
            await connect(server.gateway, subprotocols=offered)
    frames = [
        ("{", "malformed_json"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"comment","id":"m"}', "invalid_field"),
        *((f'{{"type":"tip","id":"m","points":{points}}}', "invalid_field") for points in POINTS),
        ('{"type":"tip","id":"m","points":1000000000}', "tips_disabled"),
    ]
    for frame, code in frames:
        async with connect(server.gateway, subprotocols=[ROOM]) as room:
            await hello(room, bearer)
            await event_of(room, "welcome")
            await room.send(frame)
            assert (await event_of(room, "error"))["code"] == code, frame
    async with connect(server.gateway, subprotocols=[ROOM]) as room:
        await hello(room, bearer)
        await room.send("x" * 20_000)
        await room.wait_closed()
        assert room.close_code == 1009


async def hello(room: ClientConnection, bearer: str) -> None:
    await room.send(json.dumps({"type": "hello", "token": bearer, "broadcast_id": OWN_ID, "client_id": uuid4().hex}))


async def event_of(room: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            for event in json.loads(await room.recv()):
                if event["type"] == kind:
                    return dict(event)
