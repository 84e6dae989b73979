"""The issuer's public keys over HTTP: fetched when first wanted, kept, and fetched again when keys change. Does I/O."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
import structlog

from server.auth.issuer import BadKeySet, SigningKey, parse_keys

_FRESH_S = 600.0  # keys older than this are asked for again; a key that was taken back is believed no longer than that
_STALE_S = 86_400.0  # with the issuer away, the last keys are good for a day
_ASK_AGAIN_S = 10.0  # whatever tokens name: no more often than this
_TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=2)
_MOST_BYTES = 256 * 1024
log = structlog.get_logger("issuer")


class IssuerUnavailable(Exception):
    """The keys are not known and the issuer does not give them now."""


class IssuerKeys:
    """Keys by `kid`. One fetch at a time, awaited by all who need it; a key that nobody knows costs one fetch a while.

    The address is the operator's setting, never a token's word (`jku` and `x5u` are not read).
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._fetch: asyncio.Task[None] | None = None

    async def of(self, kid: str) -> SigningKey | None:
        """Return the key, None when the issuer has none of this name; raises IssuerUnavailable."""
        age_s = self._clock() - self._fetched_at
        if (kid not in self._keys or age_s > _FRESH_S) and (
            self._fetch is not None or self._clock() - self._asked_at >= _ASK_AGAIN_S
        ):
            await self._refresh()
            age_s = self._clock() - self._fetched_at
        if age_s > _STALE_S:
            raise IssuerUnavailable
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        if self._fetch is None:
            self._asked_at = self._clock()
            self._fetch = asyncio.create_task(self._ask())
            self._fetch.add_done_callback(self._done)
        await asyncio.shield(self._fetch)  # who leaves does not take the others' fetch along; it ends by its timeout

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
