"""A store that is away is a state that probe, metrics and pages show; the picture goes on. The dead hold up nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from load_tests.faults.media import Stand, Watcher
from load_tests.faults.road import Road
from load_tests.room_client import NotConnected, Refused
from server.demo.bank import OWN_ID
from server.demo.seed import seed
from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.serving import free_ports
from server.embedded.valkey import EmbeddedValkey, start_valkey
from server.migrate import migrate
from tests.chromium_program import needs_chromium
from tests.commerce.bank import DATA_KEYS
from tests.journey.chromium import PHONE, Screen, chromium
from tests.journey.demo import PATIENCE_S
from tests.journey.serving import Guest, Server, in_the_room, serving
from tests.journey.test_recording import eventually, publishing
from tests.journey.test_survival import on_air

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]
DRAIN_S = "2"
MOST_VIEWERS = 2
TALK_RESTS = "互动暂时休息，直播画面不受影响"


@dataclass
class Site:
    """A show on the air with a picture, and two stores of its own."""

    server: Server
    host: Guest
    folder: Path
    stores: dict[str, EmbeddedPostgres | EmbeddedValkey]

    async def stop(self, store: str) -> None:
        await asyncio.to_thread(self.stores[store].stop)

    async def start(self, store: str) -> None:
        starts: Callable[[Path, Path], EmbeddedPostgres | EmbeddedValkey]
        starts = start_valkey if store == "redis" else start_postgres
        # Not in a thread: a store ends with the thread that started it.
        self.stores[store] = starts(self.folder, self.folder / "run")

    async def ask(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server.admin_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def says(self, store: str, *, there: bool) -> bool:
        """Whether probe and metrics both say that the store is there, or not."""
        (status, parts), (_, metrics) = await self.ask("/readyz"), await self.ask("/metrics")
        well = f'"{store}":"ok"' in parts.replace(" ", "")
        up = f'wealthcast_part_up{{part="{store}"}} {float(there)}' in metrics
        ready = f"\nwealthcast_ready {float(there)}" in metrics
        return (status == (200 if there else 503)) and well is there and up and ready


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(embedded_dir: Path) -> AsyncIterator[Site]:
    folder = embedded_dir / "away"
    runtime = folder / "run"
    runtime.mkdir(parents=True)
    for one in (folder, runtime):
        one.chmod(0o777)
    postgres = start_postgres(folder, runtime)
    stores: dict[str, EmbeddedPostgres | EmbeddedValkey] = {"redis": start_valkey(folder, runtime)}
    stores["postgres"] = postgres
    await asyncio.to_thread(migrate, postgres.url)
    await asyncio.to_thread(seed, postgres.url, DATA_KEYS)
    try:
        async with (
            serving_beside(postgres.url, stores["redis"].url) as server,
            on_air(server) as host,
            publishing(server, host),
        ):
            yield Site(server, host, folder, stores)
    finally:
        for store in stores.values():
            store.stop()


@asynccontextmanager
async def serving_beside(database_url: str, redis_url: str) -> AsyncIterator[Server]:
    admin_port = free_ports(1)
    async with serving(
        database_url, redis_url, admin_port=str(admin_port), drain_s=DRAIN_S, media_max_viewers=str(MOST_VIEWERS)
    ) as server:
        server.admin_port = admin_port
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(site: Site) -> AsyncIterator[Screen]:
    async with chromium(site.server.base) as windows:
        screen = await windows.screen("mei", PHONE)
        await screen.open(f"/watch/{OWN_ID}", "mei")
        await screen.plays()
        yield screen


async def comments(screen: Screen, text: str) -> None:
    await screen.at("comment-input").fill(text)
    await screen.at("comment-send").click()


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_store_that_is_away_is_shown_by_probe_metrics_and_page_and_the_picture_goes_on(
    site: Site, viewer: Screen, store: str
) -> None:
    await eventually("readiness", lambda: site.says(store, there=True))
    await site.stop(store)
    try:
        await eventually("probe and metrics say so", lambda: site.says(store, there=False))
        await comments(viewer, f"没有 {store} 的时候")
        await viewer.sees("talk-away", TALK_RESTS)
        await viewer.plays()
    finally:
        await site.start(store)
    await eventually("readiness again", lambda: site.says(store, there=True))
    await says_again(site.host, f"{store} 回来了")
    await viewer.sees("comment", f"没有 {store} 的时候")  # the page says it again by itself
    await viewer.at("talk-away").wait_for(state="detached")


async def says_again(guest: Guest, text: str) -> None:
    """Until it is acknowledged: pools and subscriptions come back in their own time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await guest.room.request({"type": "comment", "kind": "comment", "text": text})
                return
            except (NotConnected, Refused):
                await asyncio.sleep(0.2)


async def watches(site: Site, road: Road, stack: AsyncExitStack) -> asyncio.Task[None]:
    """Somebody without a browser, until the stack ends or the task that is given back."""
    async with in_the_room(site.server, "bo") as (guest,):
        token = await guest.person.token()
    watcher = Watcher(Stand(site.server.base, OWN_ID, road), token)
    watching = asyncio.create_task(watcher.watch_for_ever())
    stack.callback(watching.cancel)
    await eventually("the watcher has the picture", lambda: truly(watcher.heard_s > 0))
    return watching


@needs_chromium
@pytest.mark.browser
async def test_full_media_is_shown_by_probe_metrics_and_page_which_comes_in_when_somebody_leaves(
    site: Site, viewer: Screen
) -> None:
    async with AsyncExitStack() as stack:
        road = Road()
        stack.callback(road.close)
        watching = await watches(site, road, stack)
        status, parts = await site.ask("/readyz")
        assert (status, f"ok, full with {MOST_VIEWERS} viewers" in parts) == (200, True), parts
        windows = await stack.enter_async_context(chromium(site.server.base))
        late = await windows.screen("xin", PHONE)
        await late.open(f"/watch/{OWN_ID}", "xin")
        await late.page.get_by_text("观看人数已满，正在排队").first.wait_for()
        _, metrics = await site.ask("/metrics")
        assert 'wealthcast_media_joins_refused_total{code="viewer_limit_reached"}' in metrics
        assert f"wealthcast_media_viewers {float(MOST_VIEWERS)}" in metrics
        assert f"wealthcast_media_viewers_limit {float(MOST_VIEWERS)}" in metrics
        watching.cancel()
        await late.plays()


class Behind(Server):
    """The server as those see it who come over a road."""

    ports: tuple[int, int]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.ports[1]}/ws"


async def test_peers_that_died_without_a_word_hold_up_neither_the_probe_nor_the_drain(site: Site) -> None:
    server = site.server
    road = Road()
    async with AsyncExitStack() as stack:
        stack.callback(road.close)
        behind = Behind(server.port, server.process)
        behind.ports = (await road.tcp(server.port), await road.tcp(server.port + 1))
        await stack.enter_async_context(in_the_room(behind, "mei", "bo"))
        _, asking = await asyncio.open_connection("127.0.0.1", behind.ports[0])
        stack.callback(asking.close)
        asking.write(b"POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n{")
        await watches(site, road, stack)
        road.set(cut=True)
        for number in range(3):
            await says_again(site.host, f"没有人听到的第 {number} 句")
        assert (await site.ask("/readyz"))[0] == 200
        began_s = time.monotonic()
        server.process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            assert await server.process.wait() == 0
        print(f"drained in {time.monotonic() - began_s:.1f} s beside dead peers (DRAIN_S {DRAIN_S})")


async def truly(what: bool) -> bool:
    return what
