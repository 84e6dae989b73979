"""What was acknowledged survives SIGKILL, of the server and of Postgres; two gateways are one room."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from commerce.audit_postgres import audit
from load_tests.http_client import Person
from load_tests.show.buyer import Buyer
from server.demo.bank import OWN_ID, PRODUCT_ID
from server.demo.seed import seed
from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.migrate import migrate
from tests.commerce.bank import DATA_KEYS
from tests.journey.serving import Guest, Server, in_the_room, serving, until_ready

pytestmark = pytest.mark.timeout(180)

SHARES = 3


@pytest.fixture
async def seeded_url(postgres_url: str) -> str:
    await asyncio.to_thread(seed, postgres_url, DATA_KEYS)
    return postgres_url


@asynccontextmanager
async def on_air(server: Server) -> AsyncIterator[Guest]:
    """Go live with the assigned monitor in the room; both stay. Gives the host."""
    async with in_the_room(server, "zhoumin", "linxiao") as (_, host):
        async with asyncio.timeout(30):
            # Presence is reported every few seconds, and nobody is told: ask until it has been.
            while not (await host.person.call("GET", f"/api/v1/broadcasts/{OWN_ID}/readiness"))["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await host.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/moves", {"move": "go_live"})
        yield host


async def feature(host: Guest) -> None:
    await host.person.call("PUT", f"/api/v1/broadcasts/{OWN_ID}/card", {"product_id": PRODUCT_ID})


async def acknowledged(viewer: Guest, host: Guest) -> tuple[list[str], str]:
    """Comment, tip and buy; return the acknowledged comments' ids and the accepted order's id."""
    comments = []
    for number in range(4):
        ack = await viewer.room.request({"type": "comment", "kind": "comment", "text": f"第 {number} 句"})
        comments.append(str(ack["comment"]["comment_id"]))
    tipped = await viewer.room.request({"type": "tip", "points": 20})
    assert tipped["points_balance"] == 480
    await feature(host)
    order_id = await Buyer(viewer.person, OWN_ID).buy(PRODUCT_ID, SHARES)
    assert order_id is not None
    return comments, order_id


async def still_there(viewer: Guest, comments: list[str], order_id: str) -> None:
    """The room's snapshot, the ledger and the order say what was acknowledged."""
    welcome = viewer.told.welcome()
    assert [one["comment_id"] for one in welcome["snapshot"]["comments"]] == comments
    assert welcome["points_balance"] == 480
    assert welcome["snapshot"]["card"]["product_id"] == PRODUCT_ID
    order = await viewer.person.call("GET", f"/api/v1/orders/{order_id}")
    assert order["state"] == "accepted"
    assert order["receipt"]["order_id"] == order_id


async def test_everything_acknowledged_is_there_after_the_server_is_killed(seeded_url: str, redis_url: str) -> None:
    async with (
        serving(seeded_url, redis_url) as server,
        on_air(server) as host,
        in_the_room(server, "mei") as (viewer,),
    ):
        comments, order_id = await acknowledged(viewer, host)
        await server.kill()
    async with serving(seeded_url, redis_url) as server, in_the_room(server, "mei") as (viewer,):
        await still_there(viewer, comments, order_id)
    await audit_is_clean(seeded_url)


async def test_everything_acknowledged_is_there_after_postgres_is_killed(demo_dir: Path, redis_url: str) -> None:
    postgres = start_own_postgres(demo_dir)
    await asyncio.to_thread(migrate, postgres.url)
    await asyncio.to_thread(seed, postgres.url, DATA_KEYS)
    try:
        async with serving(postgres.url, redis_url) as server:
            async with on_air(server) as host, in_the_room(server, "mei") as (viewer,):
                comments, order_id = await acknowledged(viewer, host)
                postgres.process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(postgres.process.wait, 10)
                postgres = await asyncio.to_thread(start_own_postgres, demo_dir)
                await until_ready(server)
                await says_again(viewer)
            async with in_the_room(server, "mei") as (returned,):
                seen = returned.told.welcome()["snapshot"]["comments"]
                assert [one["comment_id"] for one in seen][: len(comments)] == comments
                assert (await returned.person.call("GET", f"/api/v1/orders/{order_id}"))["state"] == "accepted"
        await audit_is_clean(postgres.url)
    finally:
        postgres.stop()


async def says_again(viewer: Guest) -> None:
    """The same server, not restarted, works on with the restarted Postgres."""
    ack = await viewer.room.request({"type": "comment", "kind": "comment", "text": "回来了"})
    assert ack["verdict"] == "pass"


async def test_an_order_sent_again_after_a_crash_is_the_same_order(seeded_url: str, redis_url: str) -> None:
    key, body = uuid4().hex, {"amount_minor": 100_000, "currency": "CNY"}
    async with (
        serving(seeded_url, redis_url) as server,
        on_air(server) as host,
        in_the_room(server, "mei") as (viewer,),
    ):
        await feature(host)
        body["acknowledgement_id"] = await acknowledge(viewer.person)
        first = await viewer.person.call("POST", "/api/v1/orders", body, idempotency_key=key)
        await server.kill()
    async with serving(seeded_url, redis_url) as server, in_the_room(server, "zhoumin", "mei") as (_, viewer):
        again = await viewer.person.call("POST", "/api/v1/orders", body, idempotency_key=key)
        assert again["order_id"] == first["order_id"]
        listed = await viewer.person.call("GET", "/api/v1/orders")
        assert len(listed["orders"]) == 1


async def acknowledge(person: Person) -> str:
    gate = await person.call("GET", f"/api/v1/broadcasts/{OWN_ID}/gate?product_id={PRODUCT_ID}")
    documents = [one["document_id"] for one in gate["card"]["documents"]]
    answer = await person.call(
        "POST",
        "/api/v1/acknowledgements",
        {
            "broadcast_id": OWN_ID,
            "product_id": PRODUCT_ID,
            "card_version": gate["card"]["card_version"],
            "typed_text": gate["acknowledgement_text"],
            "documents_opened": documents,
            "dwell_ms": 10_000,
        },
    )
    return str(answer["acknowledgement_id"])


async def test_two_gateway_processes_are_one_room(seeded_url: str, redis_url: str) -> None:
    async with (
        serving(seeded_url, redis_url) as first,
        serving(seeded_url, redis_url, roles='["api", "gateway"]') as second,
        on_air(first) as host,
        in_the_room(first, "mei") as (mei,),
        in_the_room(second, "bo") as (bo,),
    ):
        await mei.room.request({"type": "comment", "kind": "comment", "text": "这边听得到吗"})
        heard = await bo.told.of("comment", text="这边听得到吗")
        await bo.room.request({"type": "comment", "kind": "comment", "text": "听得到"})
        assert (await mei.told.of("comment", text="听得到"))["author"]["nickname"] == "博哥"
        assert (await mei.told.of("comment", text="这边听得到吗"))["comment_id"] == heard["comment_id"]
        await feature(host)
        await bo.told.of("card_shown")
        for guest, count in ((mei, 7), (bo, 5)):
            await guest.room.send({"type": "like", "count": count})
        await bo.told.of("likes", total=12)
        await mei.told.of("presence", online=4)
        await ended(host, mei, bo, first, second)


async def ended(host: Guest, mei: Guest, bo: Guest, *servers: Server) -> None:
    """The end reaches both gateways' people, who are told not to come back."""
    await host.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/moves", {"move": "end"})
    for guest in (mei, bo):
        assert (await guest.told.of("bye"))["code"] == 4504
    assert all(server.process.returncode is None for server in servers)


def start_own_postgres(folder: Path) -> EmbeddedPostgres:
    """A PostgreSQL that a test may kill."""
    runtime = folder / "run"
    runtime.mkdir(exist_ok=True)
    runtime.chmod(0o777)
    return start_postgres(folder, runtime)


async def audit_is_clean(database_url: str) -> None:
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    try:
        assert await audit(pool) == []
    finally:
        await pool.close()
