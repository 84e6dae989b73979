"""Another process's media, asked over its internal routes. I/O: HTTP only."""

import asyncio
import math
from typing import TypeVar

import aiohttp
import msgspec

from server.media.wire import MAX_BODY_BYTES, SESSIONS, InternalSecret, NewSession, Refusal, decode, encode, error_of
from streaming.errors import MediaUnreachable
from streaming.resources import Answer, Resource
from streaming.sdp_fragment import Fragment

T = TypeVar("T")
_ANSWER_S = 4.0
_CONNECT_S = 1.0


class RemoteMedia:
    """MediaSignalling by asking the process at `address`; the session is the caller's and shared."""

    def __init__(self, session: aiohttp.ClientSession, address: str, secret: InternalSecret) -> None:
        self._session = session
        self._address = address
        self._secret = secret

    async def publish(
        self, broadcast_id: str, offer_sdp: str, *, holder_id: str = "", until_s: float = math.inf
    ) -> Answer:
        """As the port says."""
        asked = NewSession("publisher", broadcast_id, holder_id, until_s, offer_sdp)
        return await self._ask("POST", "", Answer, asked)

    async def view(self, broadcast_id: str, viewer_id: str, offer_sdp: str, *, until_s: float = math.inf) -> Answer:
        """As the port says."""
        return await self._ask("POST", "", Answer, NewSession("viewer", broadcast_id, viewer_id, until_s, offer_sdp))

    async def restart_ice(self, resource_id: str, fragment: Fragment) -> Answer:
        """As the port says."""
        return await self._ask("PATCH", f"/{resource_id}", Answer, fragment)

    async def close(self, resource_id: str) -> None:
        """As the port says."""
        await self._ask("DELETE", f"/{resource_id}", dict)

    async def owner_of(self, resource_id: str) -> Resource:
        """As the port says."""
        return await self._ask("GET", f"/{resource_id}", Resource)

    async def _ask(self, method: str, path: str, answer: type[T], body: object = None) -> T:
        url = self._address + SESSIONS + path
        data = None if body is None else encode(body)
        try:
            async with (
                asyncio.timeout(_ANSWER_S),
                self._session.request(method, url, data=data, headers=self._secret.headers) as response,
            ):
                content = await response.content.read(MAX_BODY_BYTES)
            if response.status == 409:
                raise error_of(decode(content, type=Refusal))
            if response.status >= 300:
                raise MediaUnreachable(f"the media process answered {response.status}", retry_after_s=1)
            return decode(content, type=answer)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
            raise MediaUnreachable(
                f"the media process does not answer ({type(error).__name__})", retry_after_s=1
            ) from None


class Remotes:
    """The ways to other processes, over connections that are kept; closed once, by its owner."""

    def __init__(self, secret: InternalSecret) -> None:
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None

    def to(self, address: str) -> RemoteMedia:
        """The media behind an address; to be called on the loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(connect=_CONNECT_S))
        return RemoteMedia(self._session, address, self._secret)

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._session is not None:
            await self._session.close()
