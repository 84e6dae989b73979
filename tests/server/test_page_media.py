"""The pages' media modules in a real Chromium on a real engine: what the network does to a viewer, what heals it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, async_playwright

from load_tests.fault_link import FaultLink
from server.http.pages import load_site, routes
from streaming.media_events import PublisherStarted, ViewerJoined, ViewerLeft
from streaming.media_settings import MediaSettings
from tests.chromium_program import CHROMIUM, needs_chromium
from tests.streaming.aiortc_clients import publish
from tests.streaming.harness import PATIENCE_S, Station, eventually, station

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
]
SITE = load_site()
FULL_IN_ENGLISH = "Full at the moment; you are in the queue"
PLAY = """async (modules) => {
  const { play } = await import(modules + "/media/whep.js");
  const video = document.createElement("video");
  Object.assign(video, {muted: true, autoplay: true});
  document.body.append(video);
  window.phases = [];
  window.said = [];
  window.longestMs = 0;
  window.session = play({
    broadcastId: "show", token: () => "anna", onPhase: (one) => { said.push(one); phases.push(one.phase); },
    onStream: (stream) => { if (video.srcObject !== stream) video.srcObject = stream; },
  });
  let frames = 0, since = performance.now();
  setInterval(async () => {
    for (const entry of (await session.peer?.getStats() ?? new Map()).values())
      if (entry.type === "inbound-rtp" && entry.kind === "video" && entry.framesDecoded !== frames) {
        frames = entry.framesDecoded;
        if (window.frames0) window.longestMs = Math.max(longestMs, performance.now() - since);
        since = performance.now();
        window.decoded = frames;
      }
  }, 50);
}"""


@asynccontextmanager
async def watching(settings: Callable[[FaultLink], MediaSettings]) -> AsyncIterator[tuple[Station, Page, FaultLink]]:
    """A show behind a link, published past it, and a page that has seen some of it."""
    link = FaultLink()
    site = routes(lambda request: f"ws://{request.host}/ws", SITE)
    try:
        async with station(settings(link), more=site) as show, async_playwright() as playwright:
            link.open(show.engine.local_port)
            host = await publish(show)
            await eventually("the host is connected", lambda: bool(show.of_type(PublisherStarted)))
            link.spare()
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                page = await browser.new_page()
                await play_page(page, show)
                await decodes(page, 20)
                await page.evaluate("window.frames0 = window.decoded")
                yield show, page, link
            finally:
                await browser.close()
                await host.leave()
    finally:
        link.close()


async def play_page(page: Page, show: Station) -> None:
    """Open a page of this site and play the show in it with the modules that viewers get."""
    await page.goto(show.base_url + "/")
    await page.evaluate(PLAY, f"/static/{SITE.digest}/js")


def behind(link: FaultLink) -> MediaSettings:
    return MediaSettings(bind_host="127.0.0.1", advertised_port=link.port)


async def decodes(page: Page, more: int) -> None:
    """Wait until so many more frames are decoded."""
    from_now = await page.evaluate("window.decoded ?? 0")
    await page.wait_for_function("(wanted) => window.decoded >= wanted", arg=from_now + more, timeout=PATIENCE_S * 1000)


async def test_a_viewer_whose_network_is_gone_goes_on_in_the_same_session() -> None:
    async with watching(behind) as (show, page, link):
        link.cut()
        await decodes(page, 30)
        longest_ms = await page.evaluate("window.longestMs")
        print(f"old sockets dead: the picture stood still for {longest_ms:.0f} ms")
        assert longest_ms < 5 * 2_000
        assert not show.of_type(ViewerLeft)
        assert len(show.of_type(ViewerJoined)) == 1
        assert await page.evaluate("phases") == ["connecting", "connected"]


async def test_a_viewer_behind_another_address_goes_on_in_the_same_session() -> None:
    async with watching(behind) as (show, page, link):
        link.move("127.0.0.2")
        await decodes(page, 30)
        longest_ms = await page.evaluate("window.longestMs")
        print(f"another address: the picture stood still for {longest_ms:.0f} ms")
        assert longest_ms < 5 * 2_000
        assert not show.of_type(ViewerLeft)
        peer = next(iter(show.engine._relays["show"].viewers.values())).peer
        assert peer.address is not None
        assert peer.address[0] == "127.0.0.2"


async def test_a_network_change_that_the_browser_tells_of_restarts_ice_at_once() -> None:
    async with watching(behind) as (show, page, _):
        before = set(show.engine._port._by_ufrag)  # type: ignore[union-attr]
        await page.evaluate("window.dispatchEvent(new Event('online'))")
        await eventually(
            "new credentials are nominated", lambda: not before & set(viewer_ufrags(show)) and bool(viewer_ufrags(show))
        )
        await decodes(page, 20)
        assert not show.of_type(ViewerLeft)


def viewer_ufrags(show: Station) -> tuple[str, ...]:
    return next(iter(show.engine._relays["show"].viewers.values())).peer.ice.ufrags


async def test_a_viewer_who_waits_for_a_publisher_is_left_in_peace() -> None:
    async with watching(behind) as (show, page, _):
        show.engine._relays["show"].publisher.peer.close("gone")  # type: ignore[union-attr]
        await page.evaluate("session.stop()")
        await eventually("the page has left", lambda: len(show.of_type(ViewerLeft)) == 1)
        show.engine.end_broadcast("show", "begun anew")
        await page.evaluate(PLAY, f"/static/{SITE.digest}/js")
        await eventually("it has joined", lambda: len(show.of_type(ViewerJoined)) == 2)
        waiting = viewer_ufrags(show)
        await asyncio.sleep(4)  # the page would restart ICE after 1.4 s of silence, and join anew after 8 s
        assert viewer_ufrags(show) == waiting
        assert await page.evaluate("phases") == ["connecting", "connected"]


async def test_a_session_that_the_server_has_ended_is_replaced_by_a_fresh_one() -> None:
    async with watching(behind) as (show, page, _):
        started = time.monotonic()
        assert show.engine.drop_viewer("show", "anna") == 1
        await eventually("it joins anew", lambda: len(show.of_type(ViewerJoined)) == 2)
        print(f"a fresh session after {time.monotonic() - started:.1f} s")
        await page.wait_for_function("() => phases.at(-1) === 'connected'", timeout=PATIENCE_S * 1000)
        await page.evaluate("session.stop()")
        await eventually("the page has left", lambda: len(show.of_type(ViewerLeft)) == 2)
        await asyncio.sleep(0)


FULL = """async (modules) => {
  const { stagePhase } = await import(modules + "/viewer/stage_phase.js");
  const { codeText } = await import(modules + "/ui/errors.js");
  const said = window.said.at(-1);
  const { name, code } = stagePhase({ ready: true, state: "live", publisher: "flowing" }, { phase: "open" }, said);
  return [name, code && codeText(code)];
}"""


async def test_a_viewer_for_whom_there_is_no_room_is_told_of_the_queue_and_comes_in_when_somebody_leaves() -> None:
    def one_viewer(link: FaultLink) -> MediaSettings:
        return MediaSettings(bind_host="127.0.0.1", advertised_port=link.port, max_viewers=1)

    async with watching(one_viewer) as (show, page, _):
        second = await page.context.browser.new_page()  # type: ignore[union-attr]
        await play_page(second, show)
        await second.wait_for_function("() => said.some((one) => one.phase === 'waiting')", timeout=PATIENCE_S * 1000)
        name, words = await second.evaluate(FULL, f"/static/{SITE.digest}/js")
        assert (name, words) in (("media_full", "观看人数已满，正在排队"), ("media_full", FULL_IN_ENGLISH))
        assert show.engine.snapshot().refused["viewer_limit_reached"] >= 1
        await page.evaluate("session.stop()")
        await decodes(second, 10)
        assert (await second.evaluate(FULL, f"/static/{SITE.digest}/js"))[0] == "playing"
