"""How many likes a person may add: a count that jumps further than anyone can tap is counted up to there. Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from chat.rate_limit import Rate, TokenBucket

# Quick thumbs reach ten taps a second; the burst is what was tapped on the way through a tunnel.
TAPS = Rate(burst=300, per_s=20)


class LikeAllowance:
    """What was counted of each client in a room, and what each account may add, whichever installations it names.

    Clients are `account/installation`. Overflow policy of the memory: *forget the longest quiet*, who is looked up
    anew, and whose account then has its burst again.
    """

    def __init__(self, rate: Rate = TAPS, remembered: int = 20_000) -> None:
        self._rate = rate
        self._remembered = remembered
        self._counted: OrderedDict[str, int] = OrderedDict()
        self._accounts: OrderedDict[str, TokenBucket] = OrderedDict()

    def unknown(self, clients: Iterable[str]) -> list[str]:
        """Those whose count so far is to be learned before `grant`."""
        return [client for client in clients if client not in self._counted]

    def learn(self, counted: Mapping[str, int]) -> None:
        """Take what the store has of clients."""
        self._counted.update(counted)

    def grant(self, counts: Mapping[str, int], now_s: float) -> dict[str, int]:
        """Return how far these cumulative counts are counted; asking again costs nothing. `now_s` is monotonic."""
        granted = {client: self._grant(client, count, now_s) for client, count in counts.items()}
        for kept in (self._counted, self._accounts):
            while len(kept) > self._remembered:
                kept.popitem(last=False)
        return granted

    def _grant(self, client: str, count: int, now_s: float) -> int:
        counted = self._counted.get(client, 0)
        if count <= counted:
            return count
        account = client.partition("/")[0]
        bucket = self._accounts.setdefault(account, TokenBucket(self._rate, now_s))
        self._accounts.move_to_end(account)
        self._counted[client] = counted = counted + bucket.take_up_to(count - counted, now_s)
        self._counted.move_to_end(client)
        return counted
