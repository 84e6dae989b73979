"""Which processes an installation consists of, by its roles and the machine's cores. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.settings import Role

# One process holds a core; what grows with the viewers has one for each. The rest is little work and has one in all.
_A_CORE_EACH: tuple[Role, ...] = ("media", "gateway")
_ONE: tuple[Role, ...] = ("commerce", "api")


@dataclass(frozen=True)
class Worker:
    """One process: `gateway-1` with the role `gateway`."""

    name: str
    roles: tuple[Role, ...]


def plan(roles: Sequence[Role], workers: int) -> list[Worker]:
    """List the processes, `workers` of each kind that grows with the viewers, in the order in which a roll goes.

    Commerce is first, so that a new version's facts are never read by an old relay, and what people hold on to last.
    """
    wanted = [Worker(role, (role,)) for role in _ONE if role in roles]
    for role in _A_CORE_EACH:
        if role in roles:
            wanted += [Worker(f"{role}-{number}", (role,)) for number in range(1, workers + 1)]
    return wanted


class Ports:
    """Hands out consecutive UDP ports, so that a new media process can run beside the one it replaces."""

    def __init__(self, first: int, count: int) -> None:
        """A `first` of 0 lets the kernel choose each."""
        self._free = list(range(first, first + count)) if first else []

    def take(self) -> int:
        """Give the lowest free port; 0 where the kernel chooses or all are taken."""
        return self._free.pop(0) if self._free else 0

    def give_back(self, port: int) -> None:
        """Take a port back whose process has ended."""
        if port:
            self._free.append(port)
            self._free.sort()


class Backoff:
    """How long to wait before a process is started again: 0.1 s, doubling to 30 s; a long life starts anew."""

    FIRST_S = 0.1
    LONGEST_S = 30.0
    LONG_LIFE_S = 30.0

    def __init__(self) -> None:
        self.failures = 0

    def ended(self, lived_s: float) -> float:
        """Note an end; returns the seconds to wait."""
        self.failures = 1 if lived_s >= self.LONG_LIFE_S else self.failures + 1
        return float(min(self.LONGEST_S, self.FIRST_S * 2 ** min(self.failures - 1, 16)))
