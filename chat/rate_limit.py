"""Token buckets for connections and accounts. Pure: time is an argument, in monotonic seconds."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many a second in the long run."""

    burst: float
    per_s: float


class TokenBucket:
    """The classic token bucket: starts full, fills evenly, never holds more than its burst."""

    __slots__ = ("_rate", "_tokens", "_updated_s")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._updated_s = now_s

    def take(self, now_s: float) -> float:
        """Take one token; returns 0.0 when it was there, else the seconds until it will be.

        A clock that steps back neither adds nor takes.
        """
        self._fill(now_s)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate.per_s

    def take_up_to(self, wanted: int, now_s: float) -> int:
        """Take as many whole tokens as are there, `wanted` at most; returns how many."""
        self._fill(now_s)
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def _fill(self, now_s: float) -> None:
        elapsed_s = max(0.0, now_s - self._updated_s)
        self._updated_s = max(self._updated_s, now_s)
        self._tokens = min(self._rate.burst, self._tokens + elapsed_s * self._rate.per_s)


class AccountBuckets:
    """One bucket an account, shared by all its connections in this process.

    Bounded: beyond `capacity` the account that was quiet longest is forgotten, which gives it a full bucket again.
    """

    def __init__(self, rate: Rate, capacity: int = 50_000) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, account_id: str, now_s: float) -> float:
        """As `TokenBucket.take`, for this account."""
        bucket = self._buckets.get(account_id)
        if bucket is None:
            bucket = self._buckets[account_id] = TokenBucket(self._rate, now_s)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(account_id)
        return bucket.take(now_s)

    def __len__(self) -> int:
        return len(self._buckets)
