"""One installation of several processes: killed, rolled under load and drained, nothing acknowledged is lost."""

import asyncio
import os
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from load_tests.http_client import Person
from load_tests.room_client import NotConnected
from load_tests.show.buyer import Buyer
from server.demo.bank import CROWD, OWN_ID, PRODUCT_ID
from server.demo.seed import seed
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from tests.commerce.bank import DATA_KEYS
from tests.journey.collector import Collector, collecting
from tests.journey.demo import PATIENCE_S, ROOT, free_port
from tests.journey.installation import Installation, installed
from tests.journey.serving import Guest, in_the_room, serve_environment
from tests.journey.test_standard_clients import closed, connection, negotiate
from tests.journey.test_survival import on_air
from tests.streaming.aiortc_clients import Client, MovingPicture
from tests.streaming.harness import eventually

pytestmark = [pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database_url(embedded_postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    admin = await asyncpg.connect(embedded_postgres.url_of("postgres"))
    await admin.execute('CREATE DATABASE "supervised" TEMPLATE template_wealthcast')
    url = embedded_postgres.url_of("supervised")
    await asyncio.to_thread(seed, url, DATA_KEYS)
    yield url
    await admin.execute('DROP DATABASE "supervised" WITH (FORCE)')
    await admin.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    database_url: str, embedded_valkey: EmbeddedValkey, collector: Collector
) -> AsyncIterator[Installation]:
    settings = {"media_port": "0", "media_max_viewers": "1"}
    settings |= {"otel_exporter_otlp_endpoint": collector.url, "traces_share": "1"}
    async with installed(database_url, embedded_valkey.url, "--workers", "2", **settings) as running:
        yield running
        started = time.monotonic()
        pids = [worker["pid"] for worker in (await running.workers()).values()]
    print(f"drained in {time.monotonic() - started:.1f} s")
    assert running.process.returncode == 0
    assert not any(alive(pid) for pid in pids)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(installation: Installation) -> AsyncIterator[Guest]:
    async with on_air(installation) as host:
        yield host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def show(installation: Installation, host: Guest) -> Installation:
    return installation


async def test_an_order_and_what_the_room_hears_of_it_are_one_trace_across_processes(
    show: Installation, host: Guest, collector: Collector
) -> None:
    """A comment too. No span says who did what."""
    trace_id, asks_for, said = secrets.token_hex(16), secrets.token_hex(8), "追踪里没有人说的话"
    card = f"/api/v1/broadcasts/{OWN_ID}/card"
    await host.person.call("PUT", card, {"product_id": PRODUCT_ID})
    async with in_the_room(show, "mei") as (mei,):
        order_id = await Buyer(mei.person, OWN_ID).buy(PRODUCT_ID, 1)
        assert order_id is not None
        headers = {"traceparent": f"00-{trace_id}-{asks_for}-01", "Idempotency-Key": secrets.token_hex(8)}
        await mei.person.send("POST", f"/api/v1/orders/{order_id}/cancel", headers=headers)
        await mei.told.of("order", order_id=order_id, state="cancelled")
        people = [order_id, said, await say(mei, said), mei.told.welcome()["you"]["account_id"], "mei"]
        people.append(await mei.person.token())
    await host.person.call("DELETE", card)
    pids = {name: worker["pid"] for name, worker in (await show.workers()).items()}
    gateways = {pids["gateway-1"], pids["gateway-2"]}

    def processes(name: str, of: str) -> set[int]:
        """Which processes have noted this in a trace that began with that."""
        traces = {one.trace_id for one in collector.spans if one.name == of}
        return {one.process for one in collector.spans if one.name == name and one.trace_id in traces}

    cancel, reserve = "POST /api/v1/orders/{order_id}/cancel", "POST /api/v1/orders"

    def whole() -> bool:
        told = all(processes("room fan-out", of) & gateways for of in (cancel, reserve, "room comment"))
        return told and all(processes("announce order", of) == {pids["commerce"]} for of in (cancel, reserve))

    await collector.until(whole)
    (asked,) = [one for one in collector.spans if one.name == cancel]
    assert (asked.process, asked.trace_id, asked.parent_id) == (pids["api"], trace_id, asks_for)
    for announced in [one for one in collector.spans if one.trace_id == trace_id and one.name == "announce order"]:
        assert announced.parent_id == asked.span_id
        assert [one for one in collector.spans if one.parent_id == announced.span_id and one.name == "room fan-out"]
    for secret in people:
        assert str(secret).encode() not in collector.raw


KILLED = ("commerce", "gateway-1", "gateway-2", "api")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def say(guest: Guest, text: str) -> str:
    """Comment until it is acknowledged; a connection that goes away in between is come back from."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                ack = await guest.room.request({"type": "comment", "kind": "comment", "text": text})
            except NotConnected:
                await asyncio.sleep(0.1)
                continue
            return str(ack["comment"]["comment_id"])


async def test_a_worker_killed_is_replaced_and_people_come_back(show: Installation) -> None:
    assert set(await show.workers()) == {"api", "commerce", "gateway-1", "gateway-2", "media-1", "media-2"}
    logins = [one.account.login for one in CROWD[:4]]
    async with in_the_room(show, *logins) as guests:
        said = [await say(guest, f"{guest.person.login} 在") for guest in guests]
        for name in KILLED:
            print(f"{name}: serves again after {await show.kill_worker(name):.2f} s")
            said += [await say(guest, f"{name} 之后，{guest.person.login} 还在") for guest in guests]
            assert (await guests[0].person.call("GET", f"/api/v1/broadcasts/{OWN_ID}"))["state"] == "live"
        async with in_the_room(show, "mei") as (late,):
            shown = [one["comment_id"] for one in late.told.welcome()["snapshot"]["comments"]]
    assert set(said) <= set(shown)
    workers = await show.workers()
    assert [workers[name]["restarts"] for name in KILLED] == [1] * len(KILLED)


async def test_the_supervisor_lists_every_process_for_prometheus(show: Installation) -> None:
    _, targets = await show.ask("/targets")
    by_process = {group["labels"]["process"]: group for group in targets}
    assert set(by_process) == {"supervisor", *await show.workers()}
    for process, group in by_process.items():
        port = int(group["targets"][0].rpartition(":")[2])
        assert (await show.ask("/readyz", port))[0] == 200, process
        status, text = await show.ask("/metrics", port)
        assert status == 200
        assert ("wealthcast_gateway_connections " in text) == (group["labels"]["role"] == "gateway")
    async with aiohttp.ClientSession() as session, session.get(f"{show.base}/metrics") as public:
        assert public.status == 404


class Load:
    """People who comment and ask, and newcomers at both doors, while something happens."""

    def __init__(self, installation: Installation, guests: list[Guest]) -> None:
        self.said: list[str] = []
        self.asked = 0
        self.knocked = 0
        self._installation = installation
        self._guests = guests
        self._enough = asyncio.Event()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for guest in self._guests:
                group.create_task(self._talk(guest))
            group.create_task(self._ask())
            for port in (self._installation.port, self._installation.port + 1):
                group.create_task(self._knock(port))
            try:
                yield
            finally:
                self._enough.set()

    async def _talk(self, guest: Guest) -> None:
        number = 0
        while not self._enough.is_set():
            number += 1
            self.said.append(await say(guest, f"{guest.person.login} 的第 {number} 句"))
            await asyncio.sleep(2.5)  # slower than the limit of comments

    async def _ask(self) -> None:
        """Each request on a kept connection must be answered: a drained process says goodbye with its last answer."""
        token = await self._guests[0].person.token()
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(self._installation.base, headers=headers) as session:
            while not self._enough.is_set():
                async with session.get(f"/api/v1/broadcasts/{OWN_ID}") as answer:
                    assert answer.status == 200
                self.asked += 1
                await asyncio.sleep(0.02)

    async def _knock(self, port: int) -> None:
        """A door that is closed for a moment would refuse."""
        while not self._enough.is_set():
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            self.knocked += 1
            await asyncio.sleep(0.02)


async def test_a_rolling_restart_under_load_loses_nothing(show: Installation) -> None:
    before = await show.workers()
    logins = [one.account.login for one in CROWD[:8]]
    async with in_the_room(show, "mei", *logins) as (witness, *guests):
        load = Load(show, guests)
        started = time.monotonic()
        async with load.going_on():
            status, said = await show.roll()
            rolled_s = time.monotonic() - started
            await asyncio.sleep(1)
        assert (status, said) == (0, "every process was replaced\n")
        after = await show.workers()
        assert not {worker["pid"] for worker in before.values()} & {worker["pid"] for worker in after.values()}
        # The slowest draws five seconds to come back, and is then told what it missed.
        for comment_id in load.said:
            await witness.told.of("comment", comment_id=comment_id)
        heard = Counter(event["comment_id"] for event in witness.told.events if event["type"] == "comment")
        assert [comment for comment in load.said if heard[comment] != 1] == []
        for guest in guests:
            await say(guest, "都回来了")
        connections = [await connections_of(show, after[name]["admin_port"]) for name in ("gateway-1", "gateway-2")]
    print(
        f"rolled in {rolled_s:.1f} s: {len(load.said)} acknowledged, {load.asked} asked, {load.knocked} knocked, 0 lost"
    )
    print(f"connections of the two gateways afterwards: {connections}")
    assert sum(connections) >= len(logins) + 1
    assert min(connections) >= 1


async def connections_of(installation: Installation, admin_port: int) -> int:
    _, text = await installation.ask("/metrics", admin_port)
    return next(
        int(float(line.split()[1])) for line in text.splitlines() if line.startswith("wealthcast_gateway_connections ")
    )


@asynccontextmanager
async def media_client(show: Installation, person: Person, *, publishes: str = "") -> AsyncIterator[Client]:
    """A publisher with an encoder token, or a viewer; asks again while it is told to come back."""
    async with connection() as peer:
        client = Client(peer)
        if publishes:
            peer.addTrack(MovingPicture())
        else:
            peer.addTransceiver("video", direction="recvonly")
            peer.on("track", client.read)
        url = f"{show.base}/{'whip' if publishes else 'whep'}/{OWN_ID}"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                status, client.location = await negotiate(peer, url, publishes or await person.token())
                if status == 201:
                    break
                assert client.location in ("publisher_exists", "viewer_limit_reached", "media_unreachable")
                await asyncio.sleep(0.5)
        yield client
        await client.leave()


def process_of(client: Client) -> str:
    return client.location.rpartition("/")[2].partition(".")[0]


async def worker_that_publishes(show: Installation) -> str:
    """The media worker that has the one publisher."""
    for name, worker in (await show.workers()).items():
        if name.startswith("media"):
            _, text = await show.ask("/metrics", worker["admin_port"])
            if "wealthcast_media_publishers 1.0" in text:
                return name
    raise AssertionError("nobody has a publisher")


async def flows(client: Client) -> None:
    frames = client.frames["video"]
    await eventually("frames", lambda: client.frames["video"] >= frames + 10, PATIENCE_S)


async def test_media_goes_on_after_its_process_is_killed_and_a_cut_reaches_every_process(
    show: Installation, host: Guest
) -> None:
    token = str((await host.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/encoder-tokens"))["token"])
    async with (
        in_the_room(show, "mei", "bo", "zhoumin") as (mei, bo, monitor),
        media_client(show, host.person, publishes=token) as before,
        media_client(show, mei.person) as lost,
        media_client(show, bo.person) as kept,
    ):
        assert process_of(lost) == process_of(before) != process_of(kept)
        await flows(lost)
        await flows(kept)
        origin = await worker_that_publishes(show)
        started = time.monotonic()
        respawning = asyncio.create_task(show.kill_worker(origin))
        async with media_client(show, host.person, publishes=token) as publisher:
            print(f"publisher taken again {time.monotonic() - started:.2f} s after its media process was killed")
            assert process_of(publisher) == process_of(kept)
            await flows(kept)
            print(f"media: serves again after {await respawning:.2f} s")
            async with media_client(show, mei.person) as returned:
                await flows(returned)
                ends = [closed(client.connection) for client in (publisher, kept, returned)]
                cut = {"move": "terminate", "reason": "test"}
                await monitor.person.call("POST", f"/api/v1/broadcasts/{OWN_ID}/moves", cut)
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(*(end.wait() for end in ends))


async def test_settings_that_no_process_can_start_with_end_it_at_once_with_one_line(database_url: str) -> None:
    nowhere = database_url.replace("supervised", "no_such_database")
    environment = serve_environment(nowhere, "redis://127.0.0.1:1/0", free_port())
    command = (sys.executable, "-m", "server", "serve", "--workers", "2", "--roles", "commerce,gateway")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    assert process.returncode == os.EX_CONFIG
    assert err.decode().splitlines() == ["wealthcast: DATABASE_URL: cannot connect (InvalidCatalogNameError)"]


async def test_children_of_a_supervisor_that_is_killed_end(database_url: str, embedded_valkey: EmbeddedValkey) -> None:
    async with installed(database_url, embedded_valkey.url, "--workers", "2", "--roles", "commerce") as running:
        (pid,) = (worker["pid"] for worker in (await running.workers()).values())
        running.process.send_signal(signal.SIGKILL)
        await running.process.wait()
        async with asyncio.timeout(PATIENCE_S):
            while alive(pid):  # noqa: ASYNC110  not our child: nothing to wait on
                await asyncio.sleep(0.05)
