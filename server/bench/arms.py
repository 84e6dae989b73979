"""One arm of the order measurement: buyers who order in a closed loop, and what they were told. Does I/O."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from commerce.errors import CommerceError
from commerce.receipt import OrderView
from server.bench.bank import CURRENCY, CUSTOMER_MAXIMUM_MINOR, INCREMENT_MINOR, MINIMUM_MINOR

# Of 50 requests 11 are refused whatever was bought before: below the minimum, a bad increment, over the maximum.
_REFUSED = {3: "below", 9: "increment", 14: "over", 19: "below", 23: "increment", 28: "over", 32: "below",
            37: "increment", 41: "over", 45: "over", 49: "increment"}  # fmt: skip
_REPEATED = 25  # of 50 requests this one is sent twice at once, under one key
_EAGER = 7  # of 50 requests this one is of one of the few who want more than one customer may have
_EAGER_BUYERS = 4
_STEPS = 19  # amounts go from the minimum up to this many increments above it


# Takes customer, acknowledgement, amount in minor units, currency and key, as `Sale.reserve` does.
Reserve = Callable[[str, str, int, str, str], Awaitable[OrderView]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What one buyer asks for; the number makes acknowledgement and key."""

    number: int
    amount_minor: int
    repeated: bool

    def buyer(self, buyers: int) -> int:
        """Whose wish it is, of so many."""
        if self.number % 50 == _EAGER:
            return self.number // 50 % _EAGER_BUYERS + 1
        return self.number % buyers + 1


def wishes(start: int = 0, step: int = 1) -> Iterator[Wish]:
    """Mixed amounts without end, the same for every arm; clients share them by `start` and `step`."""
    for number in itertools.count(start, step):
        amount_minor = MINIMUM_MINOR + INCREMENT_MINOR * (number * 7 % _STEPS)
        kind = _REFUSED.get(number % 50)
        if kind == "below":
            amount_minor = MINIMUM_MINOR - INCREMENT_MINOR
        elif kind == "increment":
            amount_minor += 1
        elif kind == "over":
            amount_minor = CUSTOMER_MAXIMUM_MINOR + INCREMENT_MINOR
        yield Wish(number, amount_minor, number % 50 == _REPEATED)


@dataclass
class Told:
    """What buyers heard: order ids by customer and key, refusals by code, seconds each request took."""

    reserved: dict[tuple[str, str], str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)
    contradictions: int = 0  # the same key answered with two different orders
    warmed_up_with: list[str] = field(default_factory=list)  # orders reserved before the clock ran
    elapsed_s: float = 0.0

    @property
    def answered(self) -> int:
        """Orders reserved or refused for good; a repeat of a key is not another order."""
        return len(self.reserved) + sum(self.refused.values()) - self.refused["busy"] - self.refused["in_progress"]

    @property
    def reserved_per_s(self) -> float:
        return len(self.reserved) / self.elapsed_s

    @property
    def per_s(self) -> float:
        return self.answered / self.elapsed_s

    def add(self, other: "Told") -> None:
        """Take in what the buyers of another process heard, who began at the same time with other keys."""
        self.reserved.update(other.reserved)
        self.refused.update(other.refused)
        self.took_s += other.took_s
        self.contradictions += other.contradictions
        self.warmed_up_with += other.warmed_up_with
        self.elapsed_s = max(self.elapsed_s, other.elapsed_s)

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.took_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def run_arm(
    reserves: Sequence[Reserve], arm: str, clients: Sequence[Iterator[Wish]], *, buyers: int, seconds: float
) -> Told:
    """Let clients order one wish after another for so long, spread over these ways; returns what they heard."""
    told = Told()
    until = time.monotonic() + seconds
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for n, asked in enumerate(clients):
            group.create_task(_client(reserves[n % len(reserves)], arm, asked, buyers, until, told))
    told.elapsed_s = time.monotonic() - began
    return told


async def _client(reserve: Reserve, arm: str, asked: Iterator[Wish], buyers: int, until: float, told: Told) -> None:
    while time.monotonic() < until:
        wish = next(asked)
        if wish.repeated:
            await asyncio.gather(*(order(reserve, arm, wish, buyers, told) for _ in range(2)))
        else:
            await order(reserve, arm, wish, buyers, told)


async def order(reserve: Reserve, arm: str, wish: Wish, buyers: int, told: Told) -> None:
    """Send one request and keep what it was answered."""
    n = wish.buyer(buyers)
    customer_id, key = f"ac_bench{n}", f"{arm}-{wish.number}"
    began = time.monotonic()
    try:
        reserved = await reserve(customer_id, f"ak_{arm}_{n}", wish.amount_minor, CURRENCY, key)
    except CommerceError as error:
        told.refused[error.code] += 1
    else:
        before = told.reserved.setdefault((customer_id, key), reserved.order_id)
        told.contradictions += before != reserved.order_id
    told.took_s.append(time.monotonic() - began)
