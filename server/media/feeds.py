"""Takes broadcasts from the process that has their publisher, once each, while viewers here want them. I/O: HTTP."""

import asyncio
from collections.abc import Callable

import aiohttp
import structlog

from server.media.wire import LEGS, InternalSecret
from streaming.engine import MediaEngine
from streaming.leg import KEYFRAME, LegReceiver
from streaming.media_directory_redis import MediaDirectory
from streaming.placement import MediaProcess, origin_of
from streaming.relay import Feed

log = structlog.get_logger("media_feeds")
_LOOK_S = 0.25
_PASSED_OVER_S = 1.0
_HEARTBEAT_S = 2.0
_CONNECT_S = 4.0
_MESSAGE_BYTES = 64 * 1024


class _Line:
    """An origin at the other end of a leg; requests are merged while one is on its way."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def ask_for_keyframe(self) -> None:
        self.asked.set()


class Feeds:
    """Run as one task in every media process."""

    def __init__(self, engine: MediaEngine, directory: MediaDirectory, own_id: str, secret: InternalSecret) -> None:
        self._engine = engine
        self._directory = directory
        self._own_id = own_id
        self._secret = secret
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[tuple[str, str], float] = {}
        self.packets = 0

    async def run(self) -> None:
        """Look four times a second until cancelled; a broadcast is fed by one task of its own."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            while True:
                for broadcast_id in self._hungry():
                    origin = origin_of(broadcast_id, self._answering(broadcast_id), self._own_id)
                    if origin is not None:
                        self._running[broadcast_id] = group.create_task(self._feed(session, broadcast_id, origin))
                await asyncio.sleep(_LOOK_S)

    def _answering(self, broadcast_id: str) -> list[MediaProcess]:
        """The processes but those that have just failed: one that was killed is listed until its lease lapses."""
        now_s = asyncio.get_running_loop().time()
        self._failed = {which: until_s for which, until_s in self._failed.items() if until_s > now_s}
        return [one for one in self._directory.processes if (one.process_id, broadcast_id) not in self._failed]

    def _hungry(self) -> list[str]:
        return [broadcast_id for broadcast_id in self._engine.unfed() if broadcast_id not in self._running]

    async def _feed(self, session: aiohttp.ClientSession, broadcast_id: str, origin: MediaProcess) -> None:
        try:
            await self._take(session, broadcast_id, origin)
        except Exception as lost:  # the boundary of one broadcast's feed: it is looked for again
            self._failed[origin.process_id, broadcast_id] = asyncio.get_running_loop().time() + _PASSED_OVER_S
            log.warning("feed_lost", broadcast_id=broadcast_id, origin=origin.process_id, why=repr(lost))
        finally:
            del self._running[broadcast_id]

    async def _take(self, session: aiohttp.ClientSession, broadcast_id: str, origin: MediaProcess) -> None:
        line = _Line()
        feed = self._engine.feed_from(broadcast_id, line)
        if feed is None:
            return
        url = f"{origin.address}{LEGS}/{broadcast_id}"
        try:
            async with asyncio.timeout(_CONNECT_S):
                socket = await session.ws_connect(
                    url, headers=self._secret.headers, heartbeat=_HEARTBEAT_S, max_msg_size=_MESSAGE_BYTES
                )
            log.info("feed_begins", broadcast_id=broadcast_id, origin=origin.process_id)
            async with socket, asyncio.TaskGroup() as group:
                asking = group.create_task(_pass_requests_on(socket, line))
                watching = group.create_task(_end_when_unwanted(socket, lambda: feed.wanted))
                await self._receive(socket, feed)
                asking.cancel()
                watching.cancel()
        finally:
            feed.end()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse, feed: Feed) -> None:
        receiver = LegReceiver()
        clock = asyncio.get_running_loop().time
        async for message in socket:
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            now_s = clock()
            taken = receiver.take(message.data, now_s)
            if taken is not None:
                self.packets += 1
                feed.take(*taken, now_s)


async def _pass_requests_on(socket: aiohttp.ClientWebSocketResponse, line: _Line) -> None:
    while True:
        await line.asked.wait()
        line.asked.clear()
        async with asyncio.timeout(_CONNECT_S):
            await socket.send_str(KEYFRAME)


async def _end_when_unwanted(socket: aiohttp.ClientWebSocketResponse, wanted: Callable[[], bool]) -> None:
    while wanted():  # noqa: ASYNC110  a viewer more or less is nothing to be notified of
        await asyncio.sleep(1.0)
    async with asyncio.timeout(_CONNECT_S):
        await socket.close()
