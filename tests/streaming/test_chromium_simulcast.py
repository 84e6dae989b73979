"""Chromium publishes three layers; a viewer whose network narrows goes down and up again and its picture goes on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest
from playwright.async_api import Page

from load_tests.fault_link import FaultLink
from streaming.relay import BroadcastRelay
from tests.streaming.harness import PATIENCE_S, station
from tests.streaming.test_chromium import PAGE, browser_page, rises, stats

pytestmark = pytest.mark.browser

PUBLISH_LAYERS = """
<script>
async function publishLayers(codec) {
  const pc = window.publisher = new RTCPeerConnection();
  const stream = await navigator.mediaDevices.getUserMedia(
    {audio: true, video: {width: 960, height: 720, frameRate: 20}});
  const layers = [{rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 100000},
    {rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 300000},
    {rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 900000}];
  for (const track of stream.getTracks()) {
    const transceiver = pc.addTransceiver(track, {direction: 'sendonly', streams: [stream],
      sendEncodings: track.kind === 'video' ? layers : undefined});
    if (track.kind === 'video')
      transceiver.setCodecPreferences(preferred('video', codec).concat(preferred('video', 'rtx')));
  }
  await pc.setLocalDescription();
  await exchange('/whip/show', pc);
}
</script>"""


@dataclass
class Watched:
    """The one viewer's layer as the relay sees it, and its picture as Chromium does."""

    page: Page
    relay: BroadcastRelay

    @property
    def layer(self) -> int | None:
        """The layer whose packets it gets."""
        layers, streams = self.relay._video._layers, self.relay._video._streams
        return next((n for s in streams for n, layer in layers.items() if layer.line is s.line), None)

    async def freezes_until(self, what: str, *layers: int | None) -> float:
        """Wait until it is on one of these layers and decodes on; gives the seconds that it stood still meanwhile."""
        before = await stats(self.page, "viewer", "inbound-rtp", "video")
        deadline = time.monotonic() + 2 * PATIENCE_S
        while self.layer not in layers:
            assert time.monotonic() < deadline, f"never happened: {what}"
            await asyncio.sleep(0.1)
        now = await stats(self.page, "viewer", "inbound-rtp", "video")
        after = await rises(self.page, "framesDecoded", "video", now["framesDecoded"] + 25)
        frozen_s: float = after["totalFreezesDuration"] - before.get("totalFreezesDuration", 0)
        print(f"{what}: froze {frozen_s:.2f} s, {after['frameHeight']} lines")
        return frozen_s


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_viewer_goes_down_and_up_with_its_network_and_its_decoder_notices_nothing(codec: str) -> None:
    link = FaultLink()
    async with station(page=PAGE + PUBLISH_LAYERS) as show, browser_page(show) as page:
        if not await page.evaluate(f"preferred('video', '{codec}').length"):
            pytest.skip(f"this Chromium has no {codec} encoder")
        link.open(show.engine.local_port)
        await page.evaluate(f"publishLayers('{codec}')")
        await page.evaluate(f"view({link.port})")
        watched = Watched(page, show.engine._relays["show"])
        began_s = time.monotonic()
        while len(watched.relay._video._ranked) < 3:
            if time.monotonic() - began_s > PATIENCE_S:
                pytest.skip(f"the machine is too busy for three layers: {watched.relay._video._ranked}")
            await asyncio.sleep(0.2)
        assert await watched.freezes_until("the best layer", 2) < 5 * 0.5
        link.down.rate_bps = 450_000
        assert await watched.freezes_until("a lower layer on a link of 450 kbps", 0, 1) < 5 * 0.5
        if codec == "H264":
            link.close()
            return  # climbing again takes ten seconds and is the same whatever the codec
        link.down.rate_bps = None
        assert await watched.freezes_until("the best layer again", 2) < 5 * 0.5
        decoded = await stats(page, "viewer", "inbound-rtp", "video")
        seconds = time.monotonic() - began_s
        row = show.engine.snapshot().broadcasts[0]
        print(f"{seconds:.0f} s: {row.keyframe_requests} requests, {decoded['keyFramesDecoded']} keyframes decoded")
        assert row.keyframe_requests <= seconds / 2
        assert decoded["decoderImplementation"]
        link.close()
