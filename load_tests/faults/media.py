"""A publisher and viewers of real DTLS-SRTP who come again when they hear nothing any more. I/O: HTTP and UDP."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from load_tests.bench.signalling import post_offer
from load_tests.bench.source import Source
from load_tests.bench.swarm import CountingViewer, make_reader
from load_tests.bench.webrtc_client import ConnectFailed, Identity
from load_tests.faults.road import Road

_SILENT_S: Final = 4.0
_CONNECT_S: Final = 10.0
_AGAIN_S: Final = 1.0
_LOOK_S: Final = 0.25
_REPORT_EVERY: Final = 2
_CHECK_EVERY: Final = 4
_TIMEOUT: Final = ClientTimeout(total=10)


class Watcher:
    """One WHEP viewer; `heard_s` is when media last came, `joins` counts its sessions.

    `longest_dark_s` is the longest time without media since `begin_anew`, known to a quarter of a second.
    """

    def __init__(self, stand: Stand, token: str) -> None:
        self._stand = stand
        self._token = token
        self.heard_s = 0.0
        self.joins = 0
        self.longest_dark_s = 0.0

    def begin_anew(self) -> None:
        """Forget the longest time without media."""
        self.longest_dark_s = 0.0

    async def watch_for_ever(self) -> None:
        """Join, watch, and join again after silence or a goodbye."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with ClientSession(headers=headers, timeout=_TIMEOUT) as http:
            while True:
                viewer = CountingViewer(self._stand.identity, "127.0.0.1", self._stand.reader)
                try:
                    answer = await post_offer(http, self._stand.whep, viewer.client, "recvonly")
                    await viewer.client.connect(await self._stand.road.through(answer), _CONNECT_S)
                    self.joins += 1
                    await self._watch(viewer)
                except (ConnectFailed, ClientError, TimeoutError, OSError) as error:
                    self._stand.said[str(error)[-120:] or type(error).__name__] += 1
                finally:
                    viewer.client.close()
                await asyncio.sleep(_AGAIN_S * random.uniform(0.5, 1.5))

    async def _watch(self, viewer: CountingViewer) -> None:
        loop = asyncio.get_running_loop()
        last, last_s, turn = 0, loop.time(), 0
        while loop.time() - last_s < _SILENT_S and not viewer.client.dismissed:
            await asyncio.sleep(_LOOK_S)
            turn += 1
            if viewer.counted.received > last:
                last, last_s = int(viewer.counted.received), loop.time()
                if self.heard_s:
                    self.longest_dark_s = max(self.longest_dark_s, last_s - self.heard_s)
                self.heard_s = last_s
            if turn % _REPORT_EVERY == 0:
                viewer.report()
            if turn % _CHECK_EVERY == 0:
                viewer.client.check()


class Publisher:
    """One WHIP publisher with an encoder token."""

    def __init__(self, stand: Stand, token: str) -> None:
        self._stand = stand
        self._token = token
        self.allowed = asyncio.Event()
        self.allowed.set()
        self.publishes = 0

    async def publish_for_ever(self) -> None:
        """Publish, and again after a goodbye or the server's silence; not while `allowed` is clear."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with ClientSession(headers=headers, timeout=_TIMEOUT) as http:
            while True:
                await self.allowed.wait()
                source = Source(self._stand.identity)
                try:
                    await source.publish(http, self._stand.whip, _CONNECT_S, self._stand.road.through)
                    self.publishes += 1
                    await self._send(source)
                except (ConnectFailed, ClientError, TimeoutError, OSError) as error:
                    self._stand.said[str(error)[-120:] or type(error).__name__] += 1
                finally:
                    source.close()
                await asyncio.sleep(_AGAIN_S)

    async def _send(self, source: Source) -> None:
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(source.run())
        began_s = loop.time()
        try:
            while self.allowed.is_set() and loop.time() - max(source.heard_s, began_s) < 2 * _SILENT_S:
                if source.dismissed:
                    break
                await asyncio.sleep(_LOOK_S)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


class Stand:
    """Where one broadcast's media are sent and watched."""

    def __init__(self, base: str, broadcast_id: str, road: Road) -> None:
        self.whip = f"{base}/whip/{broadcast_id}"
        self.whep = f"{base}/whep/{broadcast_id}"
        self.road = road
        self.identity = Identity()
        self.reader = make_reader()
        self.said: Counter[str] = Counter()
