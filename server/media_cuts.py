"""Tells every media process at once that a broadcast is over, whichever process ended it. Talks to Redis."""

import asyncio
from collections.abc import Callable

import redis.asyncio
import redis.exceptions
import structlog

log = structlog.get_logger("media_cuts")
_CHANNEL = "wc:{media}:cuts"
_TELL_TIMEOUT_S = 2.0
_SILENCE_S = 10.0
_AGAIN_S = 1.0


class MediaCuts:
    """A word is a hint to look at once, not the truth: that stands in Postgres, and media asks it again anyway.

    So a word that is lost costs the time until the next look, and one that is forged ends nothing.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def tell(self) -> None:
        """Say that something is over; to be called after its commit. While Redis is away nobody hears it."""
        try:
            async with asyncio.timeout(_TELL_TIMEOUT_S):
                await self._client.publish(_CHANNEL, b"look")
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            log.warning("cut_not_told", error=type(error).__name__)

    async def run(self, told: Callable[[], None]) -> None:
        """Call `told` at each word until cancelled, and when the words may have been missed; one task of its owner."""
        while True:
            try:
                await self._listen(told)
            except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
                log.warning("cuts_unheard", error=type(error).__name__)
                await asyncio.sleep(_AGAIN_S)

    async def _listen(self, told: Callable[[], None]) -> None:
        async with self._client.pubsub() as words:
            await words.subscribe(_CHANNEL)
            while True:
                word = await words.get_message(timeout=_SILENCE_S)
                if word is None:
                    await words.ping()  # a connection that is gone shows by it
                elif word["type"] in ("message", "subscribe"):
                    told()
