"""Clients that nobody here wrote, both ways: whip-whep and Eyevinn's WHIP client in Chromium, FFmpeg's WHIP muxer.

The npm packages are looked for in `.interop/node_modules`, where `.ci/run` puts them by name; missing ones are skipped.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av.format
import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright

from streaming.media_events import PublisherGone, PublisherStarted, ViewerLeft
from tests.chromium_program import CHROMIUM, needs_chromium
from tests.streaming.aiortc_clients import watch
from tests.streaming.harness import PATIENCE_S, Station, eventually, station
from tests.streaming.test_chromium import ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".interop" / "node_modules"


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [name for name in packages if not (MODULES / name / "package.json").is_file()]
    return pytest.mark.skipif(bool(missing), reason=f"npm install --prefix .interop {' '.join(missing)}")


CAMERA = """async (codec) => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 320, frameRate: 20}});
  const pc = window.publisher = new RTCPeerConnection({bundlePolicy: "max-bundle"});
  for (const track of stream.getTracks()) {
    const transceiver = pc.addTransceiver(track, {direction: "sendonly", streams: [stream]});
    const all = RTCRtpSender.getCapabilities(track.kind).codecs;
    if (track.kind === "video") transceiver.setCodecPreferences(all.filter((one) => one.mimeType === `video/${codec}`));
  }
  const { WHIPClient } = await import("/npm/whip-whep/whip.js");
  window.whip = new WHIPClient();
  await whip.publish(pc, location.origin + "/whip/show", "host");
}"""
PLAYER = """async () => {
  const pc = window.viewer = new RTCPeerConnection({bundlePolicy: "max-bundle"});
  pc.addTransceiver("video", {direction: "recvonly"});
  pc.addTransceiver("audio", {direction: "recvonly"});
  const { WHEPClient } = await import("/npm/whip-whep/whep.js");
  window.whep = new WHEPClient();
  await whep.view(pc, location.origin + "/whep/show", "anna");
}"""
DECODED = """async () => {
  for (const entry of (await window.viewer.getStats()).values())
    if (entry.type === "inbound-rtp" && entry.kind === "video") return entry.framesDecoded;
  return 0;
}"""
# Its module is written for a bundler; the two bare names in it are mapped instead.
EYEVINN = """async () => {
  const { WHIPClient } = await import("/npm/@eyevinn/whip-web-client/dist/whip-client.modern.js");
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 320, height: 240}});
  window.whip = new WHIPClient({endpoint: location.origin + "/whip/show", opts: {authkey: "host", iceServers: []}});
  await whip.ingest(stream);
  return await whip.getResourceUrl();
}"""
IMPORT_MAP = """<!doctype html><meta charset=utf-8><title>interop</title><script type="importmap">{"imports":
{"events": "/commonjs/events/events.js", "sdp-transform": "/commonjs/sdp-transform/lib/index.js"}}</script>"""


def npm_routes() -> Sequence[web.RouteDef]:
    """The packages as they are, and CommonJS ones wrapped so that a browser can import them."""

    async def plain(request: web.Request) -> web.FileResponse:
        return web.FileResponse(MODULES / request.match_info["path"])

    async def wrapped(request: web.Request) -> web.Response:
        path = request.match_info["path"]
        return web.Response(text=as_module(MODULES / path), content_type="text/javascript")

    return [web.get("/npm/{path:.+}", plain), web.get("/commonjs/{path:.+}", wrapped)]


def as_module(path: Path) -> str:
    """A CommonJS file and what it requires, as one module with the names that the clients import."""
    files = {other.stem: other.read_text() for other in path.parent.glob("*.js")}
    table = ",".join(f"{name!r}: (module, exports, require) => {{{source}\n}}" for name, source in files.items())
    return (
        f"const files = {{{table}}}, loaded = {{}};\n"
        "const require = (name) => {\n"
        "  const stem = name.replace('./', '').replace('.js', '');\n"
        "  if (!loaded[stem]) { loaded[stem] = {exports: {}};"
        " files[stem](loaded[stem], loaded[stem].exports, require); }\n"
        "  return loaded[stem].exports;\n};\n"
        f"const it = require({path.stem!r});\n"
        "export default it;\n"
        "export const EventEmitter = it.EventEmitter, parse = it.parse, write = it.write;\n"
    )


@asynccontextmanager
async def browser_on(show: Station) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = await browser.new_page()
            await page.goto(show.base_url + "/")
            yield page
        finally:
            await browser.close()


async def decodes(page: Page, more: int) -> None:
    before: int = await page.evaluate(DECODED)
    async with asyncio.timeout(PATIENCE_S):
        while await page.evaluate(DECODED) < before + more:  # noqa: ASYNC110 - the page keeps the count
            await asyncio.sleep(0.1)


@needs("whip-whep")
@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_whip_whep_publishes_plays_restarts_ice_and_leaves(codec: str) -> None:
    async with station(page=IMPORT_MAP, more=npm_routes()) as show, browser_on(show) as page:
        await page.evaluate(CAMERA, codec)
        await page.evaluate(PLAYER)
        await decodes(page, 20)
        peer = next(iter(show.engine._relays["show"].viewers.values())).peer
        before = set(peer.ice.ufrags)
        await page.evaluate("whep.restart()")
        await eventually("new credentials are nominated", lambda: not before & set(peer.ice.ufrags))
        await decodes(page, 20)
        assert show.engine.snapshot().broadcasts[0].video_codec == codec
        await page.evaluate("whep.stop()")
        await page.evaluate("whip.stop()")
        await eventually("both have left", lambda: not len(show.engine._resources))
        assert len(show.of_type(ViewerLeft)) == len(show.of_type(PublisherGone)) == 1


@needs("@eyevinn/whip-web-client", "events", "sdp-transform")
@needs_chromium
@pytest.mark.browser
async def test_eyevinns_client_publishes_and_leaves() -> None:
    async with station(page=IMPORT_MAP, more=npm_routes()) as show, browser_on(show) as page:
        resource: str = await page.evaluate(EYEVINN)
        assert resource.startswith(f"{show.base_url}/whip/show/")
        viewer = await watch(show)
        await eventually("its picture decodes", lambda: viewer.frames["video"] >= 10)
        await page.evaluate("whip.destroy()")
        await eventually("it has left", lambda: bool(show.of_type(PublisherGone)))
        await viewer.leave()


@pytest.mark.skipif("whip" not in av.format.formats_available, reason="this PyAV's FFmpeg has no WHIP muxer")
async def test_ffmpegs_whip_muxer_publishes_h264_and_opus(tmp_path: Path) -> None:
    async with station() as show:
        viewer = await watch(show)
        arguments = ["-m", "tests.streaming.pyav_publisher", f"{show.base_url}/whip/show", "host", str(tmp_path)]
        encoder = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
        try:
            await eventually("it publishes", lambda: bool(show.of_type(PublisherStarted)) or _ended(encoder))
            await eventually("picture and sound decode", lambda: min(viewer.frames.values()) >= 10 or _ended(encoder))
            assert encoder.returncode is None
            assert show.engine.snapshot().broadcasts[0].video_codec == "H264"
        finally:
            if encoder.returncode is None:
                encoder.kill()
            await encoder.wait()
            await viewer.leave()


def _ended(process: Any) -> bool:
    return process.returncode is not None
