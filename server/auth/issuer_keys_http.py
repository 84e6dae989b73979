"""The issuer's public keys over HTTP: fetched now and then, and when a token names a new one. Does I/O."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
import structlog

from server.auth.issuer import BadKeySet, SigningKey, parse_keys

_EVERY_S = 300.0  # a key that was taken back is believed no longer than that
_STALE_S = 86_400.0  # with the issuer away, the last keys are good for a day
_ASK_AGAIN_S = 10.0  # whatever tokens name, and when the issuer did not answer: no more often than this
_WAIT_S = 2.0  # for a key that is not known yet
_TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=2)
_MOST_BYTES = 256 * 1024
log = structlog.get_logger("issuer")


class IssuerUnavailable(Exception):
    """The keys are not known and the issuer does not give them now."""


class IssuerKeys:
    """Keys by `kid`. One fetch at a time; whoever comes with a key that is known waits for none.

    A key that nobody knows costs one fetch a while, which those who name it wait for, a limited time.
    The address is the operator's setting, never a token's word (`jku` and `x5u` are not read).
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._fetch: asyncio.Task[None] | None = None

    async def run(self, every_s: float = _EVERY_S) -> None:
        """Keep the keys as the issuer has them, until cancelled."""
        while True:
            await self._fetched(None)
            late = self._clock() - self._fetched_at > every_s
            await asyncio.sleep(min(every_s, _ASK_AGAIN_S) if late else every_s)

    async def of(self, kid: str) -> SigningKey | None:
        """Return the key, None when the issuer has none of this name; raises IssuerUnavailable."""
        if kid in self._keys and not self._stale():
            return self._keys[kid]
        if self._fetch is not None or self._clock() - self._asked_at >= _ASK_AGAIN_S:
            if self._fetch is None:
                self._asked_at = self._clock()
            await self._fetched(_WAIT_S)
        if self._stale():
            raise IssuerUnavailable
        if kid not in self._keys and self._fetch is not None:
            raise IssuerUnavailable  # it may be a new one: the issuer is still being asked
        return self._keys.get(kid)

    def _stale(self) -> bool:
        return self._clock() - self._fetched_at > _STALE_S

    async def _fetched(self, within_s: float | None) -> None:
        """Wait for the fetch under way, or for a new one; who leaves does not take the others' along."""
        if self._fetch is None:
            self._fetch = asyncio.create_task(self._ask())
            self._fetch.add_done_callback(self._done)
        await asyncio.wait([self._fetch], timeout=within_s)

    def _done(self, _: "asyncio.Task[None]") -> None:
        self._fetch = None

    async def aclose(self) -> None:
        """End a fetch that is under way."""
        if (fetch := self._fetch) is not None:
            fetch.cancel()
            await asyncio.wait([fetch], timeout=5)

    async def _ask(self) -> None:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(self._url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise BadKeySet(f"status {response.status}")
                body = await response.content.read(_MOST_BYTES + 1)
                while len(body) <= _MOST_BYTES and (more := await response.content.read(_MOST_BYTES + 1)):
                    body += more
            if len(body) > _MOST_BYTES:
                raise BadKeySet("too long")
            self._keys = parse_keys(body)
            self._fetched_at = self._clock()
        except (aiohttp.ClientError, OSError, TimeoutError, BadKeySet) as error:
            log.warning("issuer_keys_not_read", kind=type(error).__name__)
