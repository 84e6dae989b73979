"""A process of viewers that decode: `python -m load_tests.bench.watcher URL`, told by JSON lines. I/O: HTTP, UDP.

Each is a real DTLS-SRTP session. Its pictures are put together in sequence, decoded by libvpx as they come, without a
jitter buffer, and their barcodes read. It tells when the first picture was there, the longest time between two after
it, and how far behind the publisher's clock each was from two seconds after the first on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import av
import numpy as np
import uvloop
from aiortc.codecs.vpx import VpxPayloadDescriptor

from load_tests import barcode
from load_tests.bench.offers import VIDEO_PAYLOAD_TYPE
from load_tests.bench.signalling import Signaller, signaller
from load_tests.bench.webrtc_client import Identity, WebRtcClient

_CONNECT_TIMEOUT_S: Final = 60.0
_EDGE_AFTER_S: Final = 2.0
_WATCH_S: Final = 3.5


@dataclass(frozen=True, slots=True)
class Seen:
    """One decoded picture: when it was there, in Unix seconds, and how old it was then (None: not looked at)."""

    at_s: float
    age_ms: int | None


class Screen:
    """Puts a viewer's packets together and decodes them."""

    def __init__(self) -> None:
        self.pictures: list[Seen] = []
        self.broken = self.unreadable = 0
        self._decoder: Any = av.CodecContext.create("libvpx", "r")
        self._expected: int | None = None
        self._frame = bytearray()

    def take(self, packet: bytes) -> None:
        """Take one plain RTP packet of the picture; what came out of order counts as broken."""
        sequence = int.from_bytes(packet[2:4], "big")
        if self._expected is not None and sequence != self._expected:
            self.broken += 1
        self._expected = (sequence + 1) & 0xFFFF
        start = 20 if packet[0] & 0x10 else 12
        self._frame += VpxPayloadDescriptor.parse(packet[start:])[1]
        if packet[1] & 0x80:
            for picture in self._decoder.decode(av.Packet(bytes(self._frame))):
                self._note(picture, time.time())
            self._frame.clear()

    def _note(self, picture: Any, now_s: float) -> None:
        age_ms = None
        if self.pictures and now_s - self.pictures[0].at_s >= _EDGE_AFTER_S:
            plane = picture.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: picture.height, : picture.width]
            number = barcode.read_barcode(luma)
            self.unreadable += number is None
            age_ms = barcode.age_ms(number, int(now_s * 1000)) if number is not None else None
        self.pictures.append(Seen(now_s, age_ms))


class Watcher:
    """One viewer with its screen."""

    def __init__(self, identity: Identity) -> None:
        self.screen = Screen()
        self.client = WebRtcClient(identity, self._media)
        self._asked_s = time.time()

    async def watch(self, answer: Signaller) -> None:
        """Join, look for `_WATCH_S`, and leave."""
        try:
            await self.client.connect(await answer(self.client), _CONNECT_TIMEOUT_S)
            await asyncio.sleep(_WATCH_S)
        finally:
            self.client.close()

    def _media(self, datagram: memoryview) -> None:
        if self.client.inbound is not None and datagram[1] & 0x7F == VIDEO_PAYLOAD_TYPE:
            self.screen.take(self.client.inbound.unprotect(bytes(datagram)))

    def found(self) -> dict[str, Any]:
        """Tell what it saw, times in milliseconds; None where there was nothing."""
        pictures = self.screen.pictures
        gaps = [after.at_s - before.at_s for before, after in pairwise(pictures)]
        ages = [seen.age_ms for seen in pictures if seen.age_ms is not None]
        return {
            "first_ms": (pictures[0].at_s - self._asked_s) * 1e3 if pictures else None,
            "longest_gap_ms": max(gaps) * 1e3 if gaps else None,
            "behind_ms": max(ages) if ages else None,
            "pictures": len(pictures),
            "unreadable": self.screen.unreadable,
            "broken": self.screen.broken,
        }


async def watch(url: str, viewers: int, per_s: float) -> list[dict[str, Any]]:
    """Let so many join at that rate, and tell what each saw."""
    identity, watchers = Identity(), []
    start_s = time.monotonic()
    async with signaller(url) as answer, asyncio.TaskGroup() as group:
        for index in range(viewers):
            await asyncio.sleep(start_s + index / per_s - time.monotonic())
            watchers.append(Watcher(identity))
            group.create_task(watchers[-1].watch(answer))
    return [watcher.found() for watcher in watchers]


async def serve(url: str) -> None:
    """Obey the lines of standard input until it ends; every line is answered by one line."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        print(json.dumps({"watchers": await watch(url, order["viewers"], order["per_s"])}), flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url", help="the WHEP address")
    uvloop.run(serve(arguments.parse_args().url))
