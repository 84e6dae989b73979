"""Offers out, answers in: by WHIP and WHEP, or by JSON lines on a unix socket where HTTP is left out. Does I/O."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from load_tests.bench.janus import JanusSession
from load_tests.bench.offers import offer
from load_tests.bench.webrtc_client import ConnectFailed, WebRtcClient

_AT_ONCE: Final = 16
_TIMEOUT_S: Final = 60.0
_LINE_LIMIT: Final = 1 << 20
JANUS_PREFIX: Final = "janus+"
HEADERS: Final = {"Authorization": "Bearer bench"}
"""The server under test lets everybody in; signalling still wants a bearer."""

Signaller = Callable[[WebRtcClient], Awaitable[str]]
"""Gives the answer to a viewer's offer; raises ConnectFailed."""


@asynccontextmanager
async def signaller(place: str, token: str = "bench") -> AsyncIterator[Signaller]:
    """Open the way to `place`: a WHEP address, the path of a unix socket, or Janus's API behind `janus+`.

    `token` is the bearer of WHEP; a bench's server lets everybody in.
    """
    if place.startswith(JANUS_PREFIX):
        async with _janus(place.removeprefix(JANUS_PREFIX)) as by_janus:
            yield by_janus
        return
    if not place.startswith("http"):
        async with _lines(place) as by_lines:
            yield by_lines
        return
    connector = TCPConnector(limit=_AT_ONCE)
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S), connector=connector, headers=headers) as http:

        async def by_http(client: WebRtcClient) -> str:
            return await post_offer(http, place, client, "recvonly")

        yield by_http


@asynccontextmanager
async def _lines(path: str) -> AsyncIterator[Signaller]:
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue(_AT_ONCE)
    for _ in range(_AT_ONCE):
        idle.put_nowait(await asyncio.open_unix_connection(path, limit=_LINE_LIMIT))

    async def by_line(client: WebRtcClient) -> str:
        reader, writer = connection = await idle.get()
        try:
            writer.write(json.dumps({"offer": _offer_of(client, "recvonly")}).encode() + b"\n")
            async with asyncio.timeout(_TIMEOUT_S):
                line = await reader.readline()
        finally:
            idle.put_nowait(connection)
        if not line:
            raise ConnectFailed(f"{path} hung up")
        answer: str = json.loads(line)["answer"]
        return answer

    yield by_line
    while not idle.empty():
        idle.get_nowait()[1].close()


@asynccontextmanager
async def _janus(api: str) -> AsyncIterator[Signaller]:
    async with ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S)) as http:
        session = JanusSession(http, api)
        await session.open()
        polling = asyncio.create_task(session.poll_forever())
        try:
            yield session.watch
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)


async def post_offer(http: ClientSession, url: str, client: WebRtcClient, direction: str) -> str:
    """POST the client's offer to a WHIP or WHEP address; returns the answer. Raises ConnectFailed."""
    body, headers = _offer_of(client, direction), {"Content-Type": "application/sdp"}
    async with http.post(url, data=body, headers=headers) as response:
        answer = await response.text()
        if response.status != 201:
            raise ConnectFailed(f"{url} answered {response.status}: {answer[:200]}")
        return answer


def _offer_of(client: WebRtcClient, direction: str) -> str:
    return offer(client.ufrag, client.password, client.identity.fingerprint, client.address, direction)
