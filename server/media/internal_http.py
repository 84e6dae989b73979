"""A media process's internal routes: signalling from the api, and legs to other media processes. I/O: HTTP only."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import WSMsgType, web

from server.media.wire import (
    INTERNAL,
    LEGS,
    MAX_BODY_BYTES,
    SESSIONS,
    TYPE,
    InternalSecret,
    NewSession,
    Refusal,
    decode,
    encode,
)
from streaming.engine import MediaEngine
from streaming.errors import BadSdp, StreamingError
from streaming.ingest import Source
from streaming.leg import KEYFRAME, LegSender
from streaming.rtp import RtpPacket
from streaming.sdp_fragment import Fragment

log = structlog.get_logger("media_internal")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LEG_QUEUE = 4_096
"""Messages that wait for a slow leg, seconds of a show; beyond it packets are dropped and a keyframe asked for."""
_HEARTBEAT_S = 2.0
_SEND_TIMEOUT_S = 5.0


class LegCounters:
    """What went over legs from this process."""

    def __init__(self) -> None:
        self.legs = 0
        self.leg_packets = 0
        self.leg_dropped = 0


def internal_application(engine: MediaEngine, secret: InternalSecret, counters: LegCounters) -> web.Application:
    """Mount under INTERNAL on the admin port; every route asks for the secret."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not secret.admits(request.headers.get("Authorization", "")):
            return web.Response(status=401)
        try:
            return await handler(request)
        except StreamingError as error:
            return _answer(Refusal(error.code, error.detail, error.retry_after_s), status=409)

    sessions = _Sessions(engine)
    serve_leg = functools.partial(_serve_leg, engine=engine, counters=counters)
    own, legs = SESSIONS.removeprefix(INTERNAL), LEGS.removeprefix(INTERNAL)
    application = web.Application(middlewares=[guarded], client_max_size=MAX_BODY_BYTES)
    application.add_routes(
        [
            web.post(own, sessions.open),
            web.get(own + "/{resource_id}", sessions.show),
            web.patch(own + "/{resource_id}", sessions.restart_ice),
            web.delete(own + "/{resource_id}", sessions.close),
            web.get(legs + "/{broadcast_id}", serve_leg),
        ]
    )
    return application


class _Sessions:
    """The engine's signalling calls as routes."""

    def __init__(self, engine: MediaEngine) -> None:
        self._engine = engine

    async def open(self, request: web.Request) -> web.Response:
        asked = await _read(request, NewSession)
        if asked.kind == "publisher":
            return _answer(
                await self._engine.publish(
                    asked.broadcast_id, asked.offer, holder_id=asked.holder_id, until_s=asked.until_s
                )
            )
        return _answer(await self._engine.view(asked.broadcast_id, asked.holder_id, asked.offer, until_s=asked.until_s))

    async def show(self, request: web.Request) -> web.Response:
        return _answer(await self._engine.owner_of(request.match_info["resource_id"]))

    async def restart_ice(self, request: web.Request) -> web.Response:
        fragment = await _read(request, Fragment)
        return _answer(await self._engine.restart_ice(request.match_info["resource_id"], fragment))

    async def close(self, request: web.Request) -> web.Response:
        await self._engine.close(request.match_info["resource_id"])
        return _answer({})


def _answer(value: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(value), content_type=TYPE)


async def _read(request: web.Request, kind: type[Any]) -> Any:
    try:
        return decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise BadSdp(f"the request cannot be read: {error}") from None


class _Leg:
    """A tap whose packets wait, bounded, for the connection."""

    def __init__(self, engine: MediaEngine, broadcast_id: str, counters: LegCounters) -> None:
        self.queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(_LEG_QUEUE)
        self._sender = LegSender()
        self._engine = engine
        self._broadcast_id = broadcast_id
        self._counters = counters

    def take(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        if self.queue.full():
            self._counters.leg_dropped += 1
            self._engine.ask_for_keyframe(self._broadcast_id)
            return
        for message in self._sender.messages(source, packet, now_s):
            if isinstance(message, bytes) and self.queue.full():
                self._counters.leg_dropped += 1
                return
            self.queue.put_nowait(message)
        self._counters.leg_packets += 1

    def closed(self) -> None:
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


async def _serve_leg(request: web.Request, engine: MediaEngine, counters: LegCounters) -> web.StreamResponse:
    """Send a broadcast's packets until either side ends; 404 while nobody publishes it here."""
    broadcast_id = request.match_info["broadcast_id"]
    leg = _Leg(engine, broadcast_id, counters)
    if not engine.tap(broadcast_id, leg):
        return web.Response(status=404)
    counters.legs += 1
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=1_024)
    try:
        await socket.prepare(request)
        engine.ask_for_keyframe(broadcast_id)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(socket, leg))
            async for message in socket:
                if message.type is WSMsgType.TEXT and message.data == KEYFRAME:
                    engine.ask_for_keyframe(broadcast_id)
            sending.cancel()
    except* (ConnectionError, TimeoutError) as lost:
        log.info("leg_lost", broadcast_id=broadcast_id, why=type(lost.exceptions[0]).__name__)
    finally:
        engine.untap(broadcast_id, leg)
        counters.legs -= 1
    return socket


async def _send(socket: web.WebSocketResponse, leg: _Leg) -> None:
    while (message := await leg.queue.get()) is not None:
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
    async with asyncio.timeout(_SEND_TIMEOUT_S):
        await socket.close()
