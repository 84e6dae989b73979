"""Reads of one row each that come at the same time are made as one. Waits, but does no I/O of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from chat.single_flight import SingleFlight

T = TypeVar("T")
_MOST = 512
# A read that had to wait for another lets this pass too, so that a storm is read in tens of rows rather than in ones.
_GATHER_S = 0.005


class _Batch(Generic[T]):
    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.flight: SingleFlight[dict[str, T]] = SingleFlight()


class GatheredReads(Generic[T]):
    """The first read goes at once; those that come while it is under way go together in the next one.

    Every read begins after it was asked for, so nobody is given what was so before. Its error is raised by all who
    asked for it; when the one that runs it is cancelled, the next one in it takes over.
    """

    def __init__(self, read_many: Callable[[list[str]], Awaitable[dict[str, T]]]) -> None:
        """`read_many` answers every key."""
        self._read_many = read_many
        self._turn = asyncio.Lock()
        self._gathering: _Batch[T] = _Batch()

    async def read(self, key: str) -> T:
        """Return one key's value."""
        if len(self._gathering.keys) >= _MOST:
            self._gathering = _Batch()
        batch = self._gathering
        batch.keys.add(key)
        return (await batch.flight.run(lambda: self._read(batch)))[key]

    async def _read(self, batch: _Batch[T]) -> dict[str, T]:
        crowded = self._turn.locked()
        async with self._turn:
            if crowded:
                await asyncio.sleep(_GATHER_S)
            if batch is self._gathering:
                self._gathering = _Batch()
            return await self._read_many(sorted(batch.keys))
