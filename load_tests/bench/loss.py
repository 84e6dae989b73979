"""`./run bench loss`: how long Chromium's picture freezes in a minute behind a lossy network. I/O.

The publisher encodes 360 × 640 pictures, 20 a second, with a keyframe only when asked. Between the relay and the viewer
stands a UDP link that loses packets of media by chance and delays both ways; RTCP, STUN and DTLS are delayed only.
`frozen_ms_per_minute` is Chromium's own `totalFreezesDuration`; wanted at 5 % and 40 ms: 300 at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from contextlib import AsyncExitStack
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout
from playwright.async_api import Page

from load_tests.bench import chromium
from load_tests.bench.picture_source import PictureSource
from load_tests.bench.processes import BenchFailed, started
from load_tests.bench.signalling import HEADERS
from load_tests.bench.webrtc_client import Identity
from load_tests.fault_link import FaultLink

_TIMEOUT_S: Final = 30.0
_WARM_UP_FRAMES: Final = 60
_KEYS: Final = ("frozen_ms_per_minute", "freezes", "frames_per_s", "lost", "repaired", "keyframe_requests")
_PAGE: Final = """<!doctype html><meta charset=utf-8><video id=screen muted autoplay playsinline></video><script>
async function offer() {
  const pc = window.pc = new RTCPeerConnection();
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.ontrack = event => { document.getElementById('screen').srcObject = new MediaStream([event.track]); };
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
const accept = sdp => pc.setRemoteDescription({type: 'answer', sdp});
const look = async () => [...(await pc.getStats()).values()].find(one => one.type === 'inbound-rtp') || {};
</script>"""


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="./run bench loss", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look, after the warm-up")
    parser.add_argument("--loss", type=float, default=5.0, help="percent of the media packets to the viewer")
    parser.add_argument("--round-trip-ms", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=5, help="of the packets that are lost")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    chromium.require()
    found = asyncio.run(run(given))
    if not given.json:
        for name, value in found.items():
            print(f"  {name}: {value}")
    print(json.dumps({key: found[key] for key in _KEYS}))
    return 0


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Publish, watch through the link, and tell what Chromium counted; raises BenchFailed when no picture came."""
    chance = random.Random(given.seed)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(started("server.bench.relay_server"))
        base = f"http://127.0.0.1:{(await server.read(_TIMEOUT_S))['http_port']}"
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S), headers=HEADERS))
        source = PictureSource(Identity())
        stack.callback(source.close)
        await source.publish(http, f"{base}/whip/bench", _TIMEOUT_S)
        sending = asyncio.create_task(source.run())
        stack.push_async_callback(_cancel, sending)
        link = FaultLink(lambda _, upwards: not upwards and chance.random() * 100 < given.loss)
        link.down.delay_s = link.up.delay_s = given.round_trip_ms / 2e3
        stack.callback(link.close)
        page = await stack.enter_async_context(chromium.page_with(_PAGE))
        answer = await chromium.exchange(http, f"{base}/whep/bench", await page.evaluate("offer()"))
        await page.evaluate("sdp => accept(sdp)", _through(link, answer))
        before = await _warmed_up(page)
        asked, dropped = source.keyframe_requests, link.dropped
        await asyncio.sleep(given.seconds)
        after = await page.evaluate("look()")
        asked, dropped = source.keyframe_requests - asked, link.dropped - dropped

    def rise(name: str) -> float:
        return float(after.get(name, 0)) - float(before.get(name, 0))

    return {
        "frozen_ms_per_minute": round(rise("totalFreezesDuration") * 60e3 / given.seconds),
        "freezes": int(rise("freezeCount")),
        "frames_per_s": round(rise("framesDecoded") / given.seconds, 1),
        "lost": dropped,
        "packets_per_s": round(rise("packetsReceived") / given.seconds, 1),
        "repaired": int(rise("retransmittedPacketsReceived")),
        "nacks": int(rise("nackCount")),
        "plis": int(rise("pliCount")),
        "keyframe_requests": asked,
        "jitter_buffer_ms": round(rise("jitterBufferDelay") * 1e3 / max(1, rise("jitterBufferEmittedCount"))),
    }


def _through(link: FaultLink, answer: str) -> str:
    """Have the answer name the link's port, and open the link to the one it named."""
    named = re.search(r"^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host", answer, re.MULTILINE)
    if named is None:
        raise BenchFailed("the answer names no candidate on loopback")
    link.open(int(named.group(1)))
    return re.sub(r"^(a=candidate:\S+ 1 udp \d+ \S+) \d+ typ host", rf"\g<1> {link.port} typ host", answer, flags=re.M)


async def _warmed_up(page: Page) -> dict[str, Any]:
    deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline:
        seen: dict[str, Any] = await page.evaluate("look()")
        if seen.get("framesDecoded", 0) >= _WARM_UP_FRAMES:
            return seen
        await asyncio.sleep(0.1)
    raise BenchFailed(f"Chromium decoded no {_WARM_UP_FRAMES} pictures within {_TIMEOUT_S:g} s")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
