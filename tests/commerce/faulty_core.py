"""A core that does everything wrong that a remote system can do, on top of the real embedded one."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal

from commerce.core import CoreBanking, Hold, HoldState

# done: as it should be. lost: done, but the answer is lost. refused: the connection breaks before anything is done.
# late: too slow, and done only when `deliver` is called. twice: the request is delivered two times.
Fault = Literal["done", "lost", "refused", "late", "twice"]


class FaultyCore:
    """Implements `CoreBanking`; each call takes the next fault, `done` when none is left."""

    def __init__(self, real: CoreBanking) -> None:
        self.real = real
        self.faults: deque[Fault] = deque()
        self.late: deque[Callable[[], Awaitable[HoldState]]] = deque()
        self.calls: list[str] = []

    async def freeze(self, hold: Hold) -> HoldState:
        return await self._do("freeze", lambda: self.real.freeze(hold))

    async def debit(self, hold: Hold) -> HoldState:
        return await self._do("debit", lambda: self.real.debit(hold))

    async def release(self, hold: Hold) -> HoldState:
        return await self._do("release", lambda: self.real.release(hold))

    async def query(self, reference_id: str) -> HoldState:
        return await self._do("query", lambda: self.real.query(reference_id))

    async def available_minor(self, customer_id: str, currency: str) -> int | None:
        return await self.real.available_minor(customer_id, currency)

    async def _do(self, name: str, act: Callable[[], Awaitable[HoldState]]) -> HoldState:
        self.calls.append(name)
        fault = self.faults.popleft() if self.faults else "done"
        if fault == "refused":
            raise ConnectionRefusedError("the core restarts")
        if fault == "late":
            self.late.append(act)
            raise TimeoutError("the core is slow")
        if fault == "twice":
            await act()
        state = await act()
        if fault == "lost":
            raise TimeoutError("the answer was lost")
        return state

    async def deliver(self) -> None:
        """Let the requests arrive that were slow."""
        while self.late:
            await self.late.popleft()()
