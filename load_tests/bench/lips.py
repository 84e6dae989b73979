"""`./run bench lips`: how far picture and sound are apart at a viewer, in Chromium. I/O.

The publisher (clapper.py) stamps both by one exact clock. Two viewers watch at once: one as our page does, which holds
its picture back a little from the start, and one that leaves everything to Chromium. Each is measured twice: by the
difference of both streams' `estimatedPlayoutTimestamp` (W3C webrtc-stats has it for just this), and with a
clapper-board: the age of each picture as it is presented, by its barcode, against the age of each clap as it comes out
of the jitter buffer plus the delay of the sound card (`totalPlayoutDelay`). Positive: the picture is ahead.

Chromium walks the picture to the sound in steps of some 16 ms, a few seconds apart, and rests where it believes them
to be within 30 ms: so there is one figure for the first seconds, and one for when it has settled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from contextlib import AsyncExitStack
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout
from playwright.async_api import Page

from load_tests import barcode
from load_tests.bench import chromium
from load_tests.bench.clapper import Clapper
from load_tests.bench.processes import BenchFailed, started
from load_tests.bench.signalling import HEADERS
from load_tests.bench.webrtc_client import Identity

_TIMEOUT_S: Final = 30.0
_FIRST_S: Final = (3.0, 8.0)
"""The first seconds, once Chromium has two sender reports of each stream: before, it knows of no playout times."""
_SETTLED_AFTER_S: Final = 30.0
_VIEWERS: Final = {"page": 80, "alone": 0}
"""Their `jitterBufferTarget`, milliseconds: what our page asks for, and nothing."""
_LEAST: Final = 3
_KEYS: Final = ("apart_ms", "apart_by_clap_ms", "first_apart_ms", "alone_apart_ms", "alone_first_apart_ms")
_PAGE: Final = f"""<!doctype html><meta charset=utf-8><script>
{chromium.READ_CELLS}
const viewers = {{}}, LOUD = 0.1;
async function listen(track, claps) {{
  const reader = new MediaStreamTrackProcessor({{track}}).readable.getReader();
  for (let quiet = 0;;) {{
    const {{value, done}} = await reader.read();
    if (done) return;
    const now = performance.timeOrigin + performance.now();
    const samples = new Float32Array(value.numberOfFrames), rate = value.sampleRate;
    value.copyTo(samples, {{planeIndex: 0, format: 'f32-planar'}});
    value.close();
    for (let i = 0; i < samples.length; i++) {{
      if (Math.abs(samples[i]) < LOUD) {{ quiet++; continue; }}
      if (quiet > rate / 2) claps.push(now + i / rate * 1000);
      quiet = 0;
    }}
  }}
}}
async function offer(name, targetMs) {{
  const pc = new RTCPeerConnection(), stream = new MediaStream(), screen = document.createElement('video');
  const one = viewers[name] = {{pc, pictures: [], claps: [], apart: [], soundCard: 0}};
  Object.assign(screen, {{autoplay: true, playsInline: true}});
  document.body.append(screen);
  const {{receiver}} = pc.addTransceiver('video', {{direction: 'recvonly'}});
  if (targetMs) receiver.jitterBufferTarget = targetMs;
  pc.addTransceiver('audio', {{direction: 'recvonly'}});
  pc.ontrack = ({{track}}) => {{
    stream.addTrack(track);
    screen.srcObject = stream;
    if (track.kind === 'audio') listen(track.clone(), one.claps);
  }};
  const look = (_, frame) => {{
    one.pictures.push({{at_ms: performance.timeOrigin + frame.presentationTime, means: readCells(screen, frame)}});
    screen.requestVideoFrameCallback(look);
  }};
  screen.requestVideoFrameCallback(look);
  setInterval(async () => {{
    const played = {{}};
    for (const entry of (await pc.getStats()).values()) {{
      if (entry.type === 'inbound-rtp') played[entry.kind] = entry.estimatedPlayoutTimestamp;
      if (entry.type === 'media-playout') one.soundCard = 1000 * entry.totalPlayoutDelay / entry.totalSamplesCount;
    }}
    if (played.audio && played.video) one.apart.push(played.video - played.audio);
  }}, 500);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}}
const accept = (name, sdp) => viewers[name].pc.setRemoteDescription({{type: 'answer', sdp}});
const forget = one => {{ for (const list of [one.pictures, one.claps, one.apart]) list.length = 0; }};
</script>"""


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="./run bench lips", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to look once it has settled")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    chromium.require()
    found = asyncio.run(run(given.seconds))
    if not given.json:
        for name, value in found.items():
            print(f"  {name}: {value}")
    print(json.dumps({key: found[key] for key in _KEYS}))
    return 0


async def run(seconds: float) -> dict[str, float]:
    """Publish, watch twice at once, and compare; raises BenchFailed when too little was seen or heard."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(started("server.bench.relay_server"))
        base = f"http://127.0.0.1:{(await server.read(_TIMEOUT_S))['http_port']}"
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S), headers=HEADERS))
        source = Clapper(Identity())
        stack.callback(source.close)
        await source.publish(http, f"{base}/whip/bench", _TIMEOUT_S)
        page = await stack.enter_async_context(chromium.page_with(_PAGE))
        sending = asyncio.create_task(source.run())
        try:
            for name, target_ms in _VIEWERS.items():
                offer = await page.evaluate("([name, target]) => offer(name, target)", [name, target_ms])
                answer = await chromium.exchange(http, f"{base}/whep/bench", offer)
                await page.evaluate("([name, sdp]) => accept(name, sdp)", [name, answer])
            return await _looks(page, seconds)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _looks(page: Page, seconds: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    await asyncio.sleep(_FIRST_S[0])
    first = await _look(page, _FIRST_S[1] - _FIRST_S[0])
    await asyncio.sleep(_SETTLED_AFTER_S - _FIRST_S[1])
    settled = await _look(page, seconds)
    for name, prefix in (("page", ""), ("alone", "alone_")):
        for when, seen in (("first_", first[name]), ("", settled[name])):
            figures |= {f"{prefix}{when}{figure}": value for figure, value in seen.items()}
    return figures


async def _look(page: Page, seconds: float) -> dict[str, dict[str, float]]:
    await page.evaluate("Object.values(viewers).forEach(forget)")
    await asyncio.sleep(seconds)
    seen = await page.evaluate(
        "Object.fromEntries(Object.entries(viewers).map(([name, {pc, ...seen}]) => [name, seen]))"
    )
    return {name: _figures(name, one) for name, one in seen.items()}


def _figures(name: str, seen: dict[str, Any]) -> dict[str, float]:
    numbers = [(barcode.decode_cells(one["means"]), one["at_ms"]) for one in seen["pictures"]]
    pictures = [_age_ms(number, at_ms) for number, at_ms in numbers if number is not None]
    claps = [at_ms % 1000 + seen["soundCard"] for at_ms in seen["claps"]]
    if min(len(pictures), len(claps), len(seen["apart"])) < _LEAST:
        few = f"{len(pictures)} pictures, {len(claps)} claps, {len(seen['apart'])} playout times"
        raise BenchFailed(f"{name}: too little was seen and heard: {few}")
    picture_ms, sound_ms = statistics.median(pictures), statistics.median(claps)
    return {
        "apart_ms": round(statistics.median(seen["apart"]), 1),
        "apart_least_ms": round(min(seen["apart"]), 1),
        "apart_most_ms": round(max(seen["apart"]), 1),
        "apart_by_clap_ms": round(sound_ms - picture_ms, 1),
        "picture_age_ms": round(picture_ms, 1),
        "sound_age_ms": round(sound_ms, 1),
    }


def _age_ms(number: int, at_ms: float) -> float:
    return barcode.age_ms(number, int(at_ms)) + at_ms % 1
