"""How often passwords may be tried, by address, by login and by both. Pure: time is an argument, monotonic seconds.

Only failures count, so a crowd that signs in behind one address of a carrier is not slowed. Counted in this process.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from chat.rate_limit import Rate


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """`burst` failures at once, then `per_s` in the long run.

    `pair`: of one login from one address. `address`: of one address, whatever the logins. `login`: of one login from
    all addresses from which it never succeeded; those from which it did are not slowed by what strangers try, so
    nobody can lock its owner out.
    """

    pair: Rate = field(default_factory=lambda: Rate(10, 1 / 30))
    address: Rate = field(default_factory=lambda: Rate(100, 1.0))
    login: Rate = field(default_factory=lambda: Rate(50, 1 / 10))
    remembered: int = 20_000


class _Failures:
    """Leaking counts; overflow policy: *forget the one that failed longest ago*."""

    def __init__(self, rate: Rate, remembered: int) -> None:
        self._rate = rate
        self._remembered = remembered
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def level(self, key: str, now_s: float) -> float:
        level, at_s = self._levels.get(key, (0.0, now_s))
        return max(0.0, level - (now_s - at_s) * self._rate.per_s)

    def wait_s(self, key: str, now_s: float) -> float:
        """0.0 when one more may be tried; those under way at once may overdraw, which is waited for later."""
        return max(0.0, self.level(key, now_s) + 1.0 - self._rate.burst) / self._rate.per_s

    def add(self, key: str, now_s: float) -> None:
        self._levels[key] = (self.level(key, now_s) + 1.0, now_s)
        self._levels.move_to_end(key)
        if len(self._levels) > self._remembered:
            self._levels.popitem(last=False)

    def forget(self, key: str) -> None:
        self._levels.pop(key, None)


class PasswordAttempts:
    """To be asked before a password is looked at, and told how that went."""

    def __init__(self, limits: AttemptLimits | None = None) -> None:
        limits = limits or AttemptLimits()
        self._remembered = limits.remembered
        self._pairs = _Failures(limits.pair, limits.remembered)
        self._addresses = _Failures(limits.address, limits.remembered)
        self._logins = _Failures(limits.login, limits.remembered)
        self._known: OrderedDict[str, None] = OrderedDict()
        self.refused = 0

    def wait_s(self, login: str, address: str | None, now_s: float) -> float:
        """Return 0.0 when it may be tried now, else the seconds to wait; `address` None is not counted by itself."""
        pair = _pair(login, address)
        waits = [self._pairs.wait_s(pair, now_s)]
        if address is not None:
            waits.append(self._addresses.wait_s(address, now_s))
        if pair not in self._known:
            waits.append(self._logins.wait_s(login, now_s))
        self.refused += max(waits) > 0
        return max(waits)

    def failed(self, login: str, address: str | None, now_s: float) -> None:
        """Note that it was wrong."""
        pair = _pair(login, address)
        self._pairs.add(pair, now_s)
        if address is not None:
            self._addresses.add(address, now_s)
        if pair not in self._known:
            self._logins.add(login, now_s)

    def succeeded(self, login: str, address: str | None) -> None:
        """Note that it was right: this address is one of this person's."""
        pair = _pair(login, address)
        self._pairs.forget(pair)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)


def _pair(login: str, address: str | None) -> str:
    return f"{address or ''} {login}"
