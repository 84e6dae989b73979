"""`./run bench latency`: from a picture at the publisher to the same picture on a viewer's screen, in Chromium. I/O.

The publisher is stock aiortc; each picture carries its number as a barcode, and the moment at which it goes to the
encoder is noted. The viewer is Chromium: requestVideoFrameCallback gives each picture with the time at which it is
presented, and the number is read from its pixels. Both run on this machine and share its clock, so encoding, the relay,
the jitter buffer and decoding are all in the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from aiohttp import ClientSession, ClientTimeout
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from load_tests import barcode
from load_tests.bench import chromium
from load_tests.bench.processes import BenchFailed, started
from load_tests.bench.signalling import HEADERS
from load_tests.show.whip_aiortc import configure_encoder, offer_loopback

_WARM_UP_S: Final = 4.0
_TIMEOUT_S: Final = 30.0
_LEAST_PER_S: Final = 4
"""Pictures that must have been seen and read a second: a fifth of what is sent, or the machine was too busy."""
_KEYS: Final = ("p50_ms", "p95_ms")
_PAGE: Final = f"""<!doctype html><meta charset=utf-8><video id=screen muted autoplay playsinline></video><script>
const seen = [];
{chromium.READ_CELLS}
async function offer() {{
  const pc = window.pc = new RTCPeerConnection();
  pc.addTransceiver('video', {{direction: 'recvonly'}});
  const screen = document.getElementById('screen');
  pc.ontrack = event => {{ screen.srcObject = new MediaStream([event.track]); }};
  const look = (_, frame) => {{
    seen.push({{at_ms: performance.timeOrigin + frame.presentationTime, means: readCells(screen, frame)}});
    screen.requestVideoFrameCallback(look);
  }};
  screen.requestVideoFrameCallback(look);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}}
const accept = sdp => pc.setRemoteDescription({{type: 'answer', sdp}});
</script>"""


class NumberedPictures(MediaStreamTrack):
    """720 × 1280 pictures, 20 a second, each with the number of its moment; `sent_ms` says when each left."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.sent_ms: dict[int, float] = {}
        self._next_ms = 0.0
        self._picture = np.full((barcode.PICTURE_HEIGHT * 3 // 2, barcode.PICTURE_WIDTH), 128, np.uint8)

    async def recv(self) -> av.VideoFrame:
        """Wait for the next twentieth of a second and draw its picture."""
        now_ms = time.time() * 1000
        self._next_ms = max(self._next_ms + barcode.TICK_MS, now_ms // barcode.TICK_MS * barcode.TICK_MS)
        await asyncio.sleep(max(0.0, self._next_ms - now_ms) / 1000)
        number = barcode.number_at(int(self._next_ms))
        luma = self._picture[: barcode.PICTURE_HEIGHT]
        luma[300:1200] = 60 + np.arange(number * 7, number * 7 + 900, dtype=np.int64)[:, None] % 120
        barcode.draw_barcode(luma, number)
        frame = av.VideoFrame.from_ndarray(self._picture, format="yuv420p")
        frame.pts, frame.time_base = int(self._next_ms) * 90, Fraction(1, 90_000)
        self.sent_ms[number] = time.time() * 1000
        return frame


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="./run bench latency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to look, after the warm-up")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    chromium.require()
    found = asyncio.run(run(given.seconds))
    if not given.json:
        print(f"  {found['frames']} pictures seen, {found['unreadable']} of them unreadable, {found['sent']} sent")
        print(f"  p99_ms: {found['p99_ms']}")
    print(json.dumps({key: found[key] for key in _KEYS}))
    return 0


async def run(seconds: float) -> dict[str, Any]:
    """Publish, watch, and compare; raises BenchFailed when too few pictures were seen."""
    configure_encoder()
    offer_loopback()
    async with started("server.bench.relay_server") as server:
        base = f"http://127.0.0.1:{(await server.read(_TIMEOUT_S))['http_port']}"
        async with ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S), headers=HEADERS) as http:
            peer, pictures = RTCPeerConnection(RTCConfiguration(iceServers=[])), NumberedPictures()
            try:
                await _publish(http, f"{base}/whip/bench", peer, pictures)
                seen = await _watch(http, f"{base}/whep/bench", seconds)
            finally:
                async with asyncio.timeout(_TIMEOUT_S):
                    await peer.close()
    return _figures(pictures.sent_ms, seen, round(_LEAST_PER_S * seconds))


async def _publish(http: ClientSession, url: str, peer: RTCPeerConnection, pictures: NumberedPictures) -> None:
    peer.addTransceiver(pictures, direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    answer = await chromium.exchange(http, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def _watch(http: ClientSession, url: str, seconds: float) -> list[dict[str, Any]]:
    async with chromium.page_with(_PAGE) as page:
        answer = await chromium.exchange(http, url, await page.evaluate("offer()"))
        await page.evaluate("sdp => accept(sdp)", answer)
        await asyncio.sleep(_WARM_UP_S)
        await page.evaluate("void seen.splice(0)")
        await asyncio.sleep(seconds)
        seen: list[dict[str, Any]] = await page.evaluate("seen")
        return seen


def _figures(sent_ms: dict[int, float], seen: list[dict[str, Any]], least: int) -> dict[str, Any]:
    numbers = [(barcode.decode_cells(one["means"]), one["at_ms"]) for one in seen]
    ages = sorted(at - sent_ms[number] for number, at in numbers if number in sent_ms)
    if len(ages) < max(1, least):
        raise BenchFailed(f"only {len(ages)} pictures were seen and read of {len(seen)}; look longer")
    first, last = (numbers[position][1] for position in (0, -1))
    return {
        "p50_ms": round(ages[len(ages) // 2], 1),
        "p95_ms": round(ages[int(len(ages) * 0.95)], 1),
        "p99_ms": round(ages[int(len(ages) * 0.99)], 1),
        "frames": len(seen),
        "unreadable": len(seen) - len(ages),
        "sent": sum(first <= at <= last for at in sent_ms.values()),
    }
