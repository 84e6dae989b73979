"""Chromium publishes and views through the real routes: frames decode, and the bitrate reaches what was asked."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from load_tests.fault_link import FaultLink
from streaming.media_events import PublisherGone, ViewerLeft
from streaming.media_settings import MediaSettings
from tests.chromium_program import CHROMIUM, needs_chromium
from tests.streaming.harness import PATIENCE_S, Station, eventually, station

pytestmark = [pytest.mark.browser, needs_chromium]

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip

ENOUGH_BPS = 1_500_000
PAGE = r"""<!doctype html><meta charset=utf-8><title>relay test</title>
<canvas id=noise width=480 height=360></canvas><video id=screen muted autoplay playsinline></video>
<script>
async function exchange(path, pc, port) {
  const reply = await fetch(path, {method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', 'Authorization': 'Bearer anna'}});
  const text = await reply.text();
  if (reply.status !== 201) throw new Error(reply.status + ' ' + text);
  const sdp = port ? text.replace(/ \d+ typ host/g, ` ${port} typ host`) : text;
  await pc.setRemoteDescription({type: 'answer', sdp});
  pc.resource = reply.headers.get('Location');
}
function preferred(kind, name) {
  const all = RTCRtpSender.getCapabilities(kind).codecs;
  return all.filter(c => c.mimeType.toLowerCase() === 'video/' + name.toLowerCase());
}
function noise() {
  const canvas = document.getElementById('noise'), draw = canvas.getContext('2d');
  const picture = draw.createImageData(canvas.width, canvas.height);
  const words = new Uint32Array(picture.data.buffer);
  setInterval(() => {
    for (let i = 0; i < words.length; i += 4) words[i] = 0xff000000 | (Math.random() * 0xffffff);
    draw.putImageData(picture, 0, 0);
  }, 40);
  return canvas.captureStream(25);
}
async function publish(codec, source, bitrate) {
  const pc = window.publisher = new RTCPeerConnection();
  const stream = source === 'noise' ? noise()
    : await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 640, height: 480, frameRate: 20}});
  for (const track of stream.getTracks()) {
    const transceiver = pc.addTransceiver(track, {direction: 'sendonly', streams: [stream],
      sendEncodings: track.kind === 'video' ? [{maxBitrate: bitrate}] : undefined});
    if (track.kind === 'video') transceiver.setCodecPreferences(
      preferred('video', codec).concat(preferred('video', 'rtx')));
  }
  await pc.setLocalDescription();
  await exchange('/whip/show', pc);
}
async function view(port) {
  const pc = window.viewer = new RTCPeerConnection();
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.addTransceiver('audio', {direction: 'recvonly'});
  const stream = new MediaStream();
  pc.ontrack = event => { stream.addTrack(event.track); document.getElementById('screen').srcObject = stream; };
  await pc.setLocalDescription();
  await exchange('/whep/show', pc, port);
}
async function stats(pc, type, kind) {
  const found = [];
  if (pc) for (const entry of (await pc.getStats()).values())
    if (entry.type === type && (!kind || entry.kind === kind)) found.push(entry);
  return found[0] || {};
}
</script>"""


@asynccontextmanager
async def browser_page(show: Station) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = await browser.new_page()
            await page.goto(show.base_url + "/")
            yield page
        finally:
            await browser.close()


async def stats(page: Page, who: str, type_: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(f"stats(window.{who}, '{type_}', '{kind}')")
    return found


async def rises(page: Page, key: str, kind: str, by: int) -> dict[str, Any]:
    """Wait until one of the viewer's counters has risen by so much."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        seen = await stats(page, "viewer", "inbound-rtp", kind)
        if seen.get(key, 0) >= by:
            return seen
        assert time.monotonic() < deadline, f"{key} stays at {seen.get(key)} for {kind}: {seen}"
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_chromium_viewer_decodes_what_chromium_publishes(codec: str) -> None:
    async with station(page=PAGE) as show, browser_page(show) as page:
        if codec == "H264" and not await page.evaluate("preferred('video', 'H264').length"):
            pytest.skip("this Chromium has no H264 encoder")
        await page.evaluate("view()")
        await page.evaluate(f"publish('{codec}', 'camera', 1000000)")
        video = await rises(page, "framesDecoded", "video", 40)
        await rises(page, "packetsReceived", "audio", 50)
        assert show.engine.snapshot().broadcasts[0].video_codec == codec
        assert video["packetsLost"] <= 0


async def test_a_publisher_that_returns_with_another_codec_keeps_its_chromium_viewer() -> None:
    async with station(page=PAGE) as show, browser_page(show) as page:
        if not await page.evaluate("preferred('video', 'H264').length"):
            pytest.skip("this Chromium has no H264 encoder")
        await page.evaluate("view()")
        await page.evaluate("publish('VP8', 'camera', 1000000)")
        before = await rises(page, "framesDecoded", "video", 20)
        await page.evaluate("publisher.close()")
        await eventually("the publisher is gone", lambda: bool(show.of_type(PublisherGone)))
        await page.evaluate("publish('H264', 'camera', 1000000)")
        await rises(page, "framesDecoded", "video", before["framesDecoded"] + 40)
        await rises(page, "packetsReceived", "audio", before["framesDecoded"] + 50)
        assert show.engine.snapshot().broadcasts[0].video_codec == "H264"
        assert not show.of_type(ViewerLeft)


async def test_chromium_repairs_losses_on_its_leg_by_rtx() -> None:
    chance = random.Random(3)
    link = FaultLink(lambda _, upwards: not upwards and chance.random() < 0.05)
    settings = MediaSettings(bind_host="127.0.0.1", advertised_port=link.port)
    async with station(settings, page=PAGE) as show, browser_page(show) as page:
        link.open(show.engine.local_port)
        await page.evaluate("view()")
        await page.evaluate("publish('VP8', 'camera', 1000000)")
        await rises(page, "retransmittedPacketsReceived", "video", 5)
        await rises(page, "framesDecoded", "video", 40)
        # Chromium counts both copies of a repeated packet, the engine counts the packet.
        await eventually("five packets were repeated", lambda: show.engine.snapshot().retransmitted >= 5)
        link.close()


async def test_chromium_reaches_its_bitrate() -> None:
    """The target is 15 s, which the output tells. Without feedback Chrome's estimate stays near 300 kbps for ever."""
    async with station(page=PAGE) as show, browser_page(show) as page:
        await page.evaluate("view()")
        await page.evaluate("publish('VP8', 'noise', 2500000)")
        sent_bps, estimate_bps, before, begun_s = 0.0, 0.0, 0, time.monotonic()
        outbound: dict[str, Any] = {}
        seen_s = begun_s
        while sent_bps < ENOUGH_BPS and seen_s < begun_s + 5 * 15:
            await asyncio.sleep(1)
            outbound = await stats(page, "publisher", "outbound-rtp", "video")
            pair = await stats(page, "publisher", "candidate-pair", "")
            sent, now_s = outbound.get("bytesSent", 0), time.monotonic()
            sent_bps, before, seen_s = max(sent_bps, 8 * (sent - before) / (now_s - seen_s)), sent, now_s
            estimate_bps = max(estimate_bps, pair.get("availableOutgoingBitrate", 0))
        print(f"publisher sends {sent_bps / 1e6:.2f} Mbps of 2.5 after {seen_s - begun_s:.0f} s", end="; ")
        print(f"its estimate: {estimate_bps / 1e6:.2f} Mbps")
        assert estimate_bps >= ENOUGH_BPS
        # A machine too busy to encode sends little whatever the network takes.
        assert sent_bps >= ENOUGH_BPS or outbound.get("framesPerSecond", 0) < 8
        await rises(page, "framesDecoded", "video", 20)


async def test_a_late_chromium_viewer_begins_with_the_cached_group_and_is_not_behind() -> None:
    async with station(page=PAGE) as show, browser_page(show) as page:
        await page.evaluate("publish('VP8', 'camera', 1000000)")
        await page.evaluate("view()")
        await rises(page, "framesDecoded", "video", 20)
        relay = show.engine._relays["show"]
        keyframes = next(relay._video.lines).keyframes
        relay.want_keyframe()
        await eventually("a keyframe comes", lambda: next(relay._video.lines).keyframes > keyframes)
        await asyncio.sleep(0.8)
        requests = relay._keyframes.sent
        await page.evaluate("view()")
        await rises(page, "framesDecoded", "video", 5)
        cached = relay._keyframes.sent == requests
        before = await rises(page, "framesDecoded", "video", 40)
        after = await rises(page, "framesDecoded", "video", before["framesDecoded"] + 40)
        held_s = after["jitterBufferDelay"] - before["jitterBufferDelay"]
        frames = after["jitterBufferEmittedCount"] - before["jitterBufferEmittedCount"]
        print(f"cached group: {cached}; in the jitter buffer: {1000 * held_s / frames:.0f} ms a frame")
        assert after["packetsLost"] <= 0
        if cached:
            assert held_s / frames < 0.5
