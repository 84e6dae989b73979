"""Counting likes: cumulative counts in, totals out. Pure, and the port of the store that adds them up."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class LikeStore(Protocol):
    """Keeps each client's highest count and their sum, for all processes."""

    async def merge(self, broadcast_id: str, counts: Mapping[str, int]) -> int:
        """Raise each client's highest count where these are higher, atomically; return the sum over all clients.

        Repeated, reordered and lost calls change nothing once a client's highest count has arrived; an empty
        mapping only reads. Raises Unavailable.
        """

    async def highest(self, broadcast_id: str, clients: Sequence[str]) -> dict[str, int]:
        """Return each of these clients' highest count, 0 for one that is not known. Raises Unavailable."""


class LikeCheckpoint(Protocol):
    """Keeps each client's highest count durably; keys are broadcast and client."""

    async def save(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Raise each client's highest count where these are higher; repeats change nothing. Raises Unavailable."""

    async def load(self, broadcast_id: str) -> dict[str, int]:
        """Return each client's highest count in a broadcast. Raises Unavailable."""


class LikeTally:
    """What this process knows of one room's likes: counts to send to the store, and the total to show.

    At most one total a tick is shown, the first of a quiet time at once; a total never falls.
    """

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._highest: dict[str, int] = {}
        self._shown_at_s = float("-inf")
        self._shown = 0
        self.total = 0

    def raise_count(self, client: str, count: int) -> None:
        """Note a client's cumulative count until the next `take_counts`."""
        self._highest[client] = max(count, self._highest.get(client, 0))

    def take_counts(self) -> dict[str, int]:
        """Take what the store has not been told; on failure give it back with `raise_count`."""
        counts, self._highest = self._highest, {}
        return counts

    def learn_total(self, total: int) -> None:
        """Note the store's sum."""
        self.total = max(self.total, total)

    def due(self, now_s: float) -> int | None:
        """Return the total to show now, or None when there is nothing new or the last was shown within a tick."""
        if self.total == self._shown or now_s - self._shown_at_s < self._tick_s:
            return None
        self._shown, self._shown_at_s = self.total, now_s
        return self.total
