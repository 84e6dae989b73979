"""What a Chromium viewer reports is acted upon: lips stay in sync, and a lossy network costs hardly a freeze."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

import pytest

from load_tests.fault_link import FaultLink
from tests.streaming.harness import PATIENCE_S, station
from tests.streaming.test_chromium import PAGE, browser_page, rises, stats

pytestmark = pytest.mark.browser

LOOK_S = 10.0
PLAYOUT = """async who => Object.fromEntries([...(await window[who].getStats()).values()]
  .filter(one => one.type === 'inbound-rtp' && one.estimatedPlayoutTimestamp)
  .map(one => [one.kind, one.estimatedPlayoutTimestamp]))"""
"""The sender's time of what is played now, by kind, out of one report."""
PUBLISH = "publish('VP8', 'camera', 1000000)"
DIRECT = """async () => {
  const from = window.directSender = new RTCPeerConnection(), to = window.direct = new RTCPeerConnection();
  from.onicecandidate = event => to.addIceCandidate(event.candidate);
  to.onicecandidate = event => from.addIceCandidate(event.candidate);
  const stream = new MediaStream(), screen = document.createElement('video'), sent = new MediaStream();
  Object.assign(screen, {muted: true, autoplay: true, playsInline: true});
  to.ontrack = event => { stream.addTrack(event.track); screen.srcObject = stream; };
  document.body.append(screen);
  for (const sender of publisher.getSenders()) from.addTrack(sender.track, sent);
  await from.setLocalDescription();
  await to.setRemoteDescription(from.localDescription);
  await to.setLocalDescription();
  await from.setRemoteDescription(to.localDescription);
}"""
"""The control: the same camera and microphone from Chromium to Chromium, with nothing of ours between."""


async def test_a_viewer_behind_loss_and_delay_hardly_freezes() -> None:
    chance = random.Random(5)
    link = FaultLink(lambda _, upwards: not upwards and chance.random() < 0.05)
    link.down.delay_s = link.up.delay_s = 0.02
    async with station(page=PAGE) as show, browser_page(show) as page:
        await page.evaluate(PUBLISH)
        link.open(show.engine.local_port)
        await page.evaluate(f"view({link.port})")
        before = await rises(page, "framesDecoded", "video", 40)
        await asyncio.sleep(LOOK_S)
        after = await stats(page, "viewer", "inbound-rtp", "video")
        frozen_s = after["totalFreezesDuration"] - before["totalFreezesDuration"]
        print(f"froze {frozen_s / LOOK_S * 60:.2f} s a minute; {link.dropped} packets lost, RTT 40 ms")
        assert link.dropped > 10
        assert after["retransmittedPacketsReceived"] > 5
        assert after["framesDecoded"] - before["framesDecoded"] > LOOK_S * 5
        assert frozen_s < 5 * 0.3
        link.close()


async def test_lips_are_in_sync_by_the_mapped_sender_reports() -> None:
    async with station(page=PAGE) as show, browser_page(show) as page:
        await page.evaluate(PUBLISH)
        await page.evaluate("view()")
        await page.evaluate(DIRECT)
        await rises(page, "framesDecoded", "video", 60)
        apart_ms: dict[str, list[float]] = {"viewer": [], "direct": []}
        deadline = time.monotonic() + PATIENCE_S
        while min(map(len, apart_ms.values())) < 4:
            assert time.monotonic() < deadline, f"Chromium knows no playout times, for want of reports: {apart_ms}"
            for who, seen_ms in apart_ms.items():
                now = await page.evaluate(PLAYOUT, who)
                if "audio" in now and "video" in now:
                    seen_ms.append(now["video"] - now["audio"])
            await asyncio.sleep(0.5)
        ours_ms, direct_ms = apart_ms["viewer"], apart_ms["direct"]
        for name, seen_ms in (("through the relay", ours_ms), ("Chromium directly", direct_ms)):
            print(
                f"picture against sound, {name}: median {statistics.median(seen_ms):.0f} ms, "
                f"{min(seen_ms):.0f}…{max(seen_ms):.0f}"
            )
        assert abs(statistics.median(ours_ms) - statistics.median(direct_ms)) <= 5 * 40
