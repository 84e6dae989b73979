"""A core of somebody else's: keeps the port's promises in memory, outside our database, as a bank's adapter would."""

from collections import Counter

from commerce.core import Hold, HoldState


class MemoryCore:
    """Implements `CoreBanking`."""

    def __init__(self, available: dict[tuple[str, str], int] | None = None) -> None:
        self.available = Counter(available or {})
        self.frozen: Counter[tuple[str, str]] = Counter()
        self.debited: Counter[tuple[str, str]] = Counter()
        self.states: dict[str, HoldState] = {}

    async def freeze(self, hold: Hold) -> HoldState:
        if hold.reference_id not in self.states:
            whose = hold.customer_id, hold.amount.currency
            if self.available[whose] < hold.amount.amount_minor:
                return self._become(hold, HoldState.REFUSED)
            self._move(self.available, self.frozen, hold)
            self._become(hold, HoldState.FROZEN)
        return self.states[hold.reference_id]

    async def debit(self, hold: Hold) -> HoldState:
        if self.states.get(hold.reference_id) is HoldState.FROZEN:
            self._move(self.frozen, self.debited, hold)
            self._become(hold, HoldState.DEBITED)
        return self.states.get(hold.reference_id, HoldState.NOT_KNOWN)

    async def release(self, hold: Hold) -> HoldState:
        if hold.reference_id not in self.states:
            return self._become(hold, HoldState.VOID)
        if self.states[hold.reference_id] is HoldState.FROZEN:
            self._move(self.frozen, self.available, hold)
            self._become(hold, HoldState.RELEASED)
        return self.states[hold.reference_id]

    async def query(self, reference_id: str) -> HoldState:
        return self.states.get(reference_id, HoldState.NOT_KNOWN)

    async def available_minor(self, customer_id: str, currency: str) -> int | None:
        return self.available[customer_id, currency]

    def _become(self, hold: Hold, state: HoldState) -> HoldState:
        self.states[hold.reference_id] = state
        return state

    def _move(self, source: Counter[tuple[str, str]], target: Counter[tuple[str, str]], hold: Hold) -> None:
        whose = hold.customer_id, hold.amount.currency
        source[whose] -= hold.amount.amount_minor
        target[whose] += hold.amount.amount_minor


def connect() -> MemoryCore:
    """What the setting CORE_BANKING names: `tests.commerce.memory_core:connect`."""
    return MemoryCore({("ac_ann", "CNY"): 1_000_000})


def nothing_that_freezes() -> object:
    """An adapter that is none."""
    return object()


def broken() -> object:
    """An adapter that cannot be made, and whose error holds what nobody should read."""
    raise RuntimeError("postgres://core:secret@10.0.0.1")
