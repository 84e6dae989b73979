"""Use-case of what the core left open: submissions without outcome and funds not yet released are asked about again.

An order that stays open is put off, longer each time, and goes behind all others: some that the core cannot take hold
up nobody. Only silence, several times in a row, ends a round, for then the core itself is away.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial

from commerce.core import HoldState
from commerce.core_asked import AskedCore, NoAnswer, known
from commerce.dependencies import Dependencies
from commerce.errors import CommerceError, Refusal
from commerce.order import Order, State
from commerce.submission import Submission, hold_of

_log = logging.getLogger(__name__)
_BATCH = 200  # at most this many of a kind in a round
SILENCES = 3  # so many in a row, and the rest is left for the next round
# What says that nothing of the customer's is held any more. Whatever else the core answers, they have not been paid
# back: REFUSED and DEBITED contradict an order that was accepted and cancelled, and somebody has to look.
_RELEASED = frozenset({HoldState.RELEASED, HoldState.VOID})


class _Came(Enum):
    """What came of one order."""

    ENDED = auto()
    OPEN = auto()
    SILENT = auto()


class Unsettled:
    """Asks until there is a definite answer; any number of processes may do it at once."""

    def __init__(self, given: Dependencies, core: AskedCore, submission: Submission) -> None:
        self._given = given
        self._core = core
        self._submission = submission

    async def settle_due(self, now: datetime) -> int:
        """Pay back what is due, then ask about submissions that have waited long; returns how many ended.

        A submission that the core has never heard of is given up after a while, with a tombstone in the core first.
        """
        settings = self._given.settings
        asked_before = now - timedelta(seconds=settings.resolve_after_s)
        give_up_before = now - timedelta(seconds=settings.void_after_s)
        async with self._given.units.begin() as unit:
            waiting = await unit.orders.awaiting(asked_before, now, _BATCH)
            releases = await unit.orders.releases_due(now, _BATCH)
        paid_back = await self._round([partial(self._pay_back, order_id) for order_id in releases])
        return paid_back + await self._round(
            [partial(self._resolve, begun, give_up=moved_at <= give_up_before) for begun, moved_at in waiting]
        )

    async def _round(self, work: Sequence[Callable[[], Awaitable[_Came]]]) -> int:
        ended = silences = 0
        for step in work:
            came = await step()
            ended += came is _Came.ENDED
            silences = silences + 1 if came is _Came.SILENT else 0
            if silences == SILENCES:
                break
        return ended

    async def _resolve(self, begun: Order, *, give_up: bool) -> _Came:
        hold = hold_of(begun)
        answer = await self._core.query(hold.reference_id)
        if answer is HoldState.NOT_KNOWN and give_up:
            answer = await self._core.release(hold)
        if await self._taken(begun, known(answer)):
            return _Came.ENDED
        return await self._put_off(begun.order_id, answer)

    async def _taken(self, begun: Order, state: HoldState) -> bool:
        """Settle one submission; False when its outcome stays unknown."""
        if state is HoldState.NOT_KNOWN and begun.state is State.OUTCOME_UNKNOWN:
            return False
        try:
            facts = await self._given.read_broadcast(begun.broadcast_id)
            await self._submission.conclude(begun, state, facts)
        except Refusal:
            return True
        except CommerceError as error:
            _log.warning("%s stays unresolved for now: %s", begun.order_id, error.code)
            return False
        except Exception:  # whatever is wrong with this order's rows, the others are settled
            _log.exception("%s cannot be resolved", begun.order_id)
            return False
        return state is not HoldState.NOT_KNOWN

    async def pay_back(self, order_id: str) -> None:
        """Release the funds of a cancelled order, now or, if the core does not, in a later round."""
        await self._pay_back(order_id)

    async def _pay_back(self, order_id: str) -> _Came:
        async with self._given.units.begin() as unit:
            cancelled = await unit.orders.lock(order_id)
        assert cancelled is not None, "orders are never deleted"
        hold = hold_of(cancelled)
        answer = await self._core.release(hold)
        if answer not in _RELEASED:
            if isinstance(answer, HoldState):
                _log.error("the core has not released %s: it says %s", hold.reference_id, answer.value)
            return await self._put_off(order_id, answer)
        async with self._given.units.begin() as unit:
            await unit.orders.released(order_id)
        return _Came.ENDED

    async def _put_off(self, order_id: str, answer: HoldState | NoAnswer) -> _Came:
        async with self._given.units.begin() as unit:
            await unit.core_again.put_off(order_id, self._given.now())
        return _Came.SILENT if answer is NoAnswer.SILENT else _Came.OPEN
