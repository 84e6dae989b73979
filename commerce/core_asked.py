"""Asks the core: each question has its time and is counted. Does I/O through the port."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum

from commerce.core import CoreBanking, Hold, HoldState
from commerce.errors import Unavailable

_log = logging.getLogger(__name__)
_GLANCE_S = 1.0  # for what is only shown: a customer reads the disclosure without it as well


class NoAnswer(StrEnum):
    """What there is instead of an answer; of either the outcome is unknown."""

    SILENT = "silent"  # not in time, or no way to it: other questions may fare alike
    FAILED = "failed"  # this question broke the core's adapter, in a way that the port does not allow


class AskedCore:
    """The core within its time; `answers` counts what came of `freeze`, `debit`, `release` and `query`.

    Nothing but these answers ever comes out, so that one reference which the core cannot take stops no other.
    """

    def __init__(self, core: CoreBanking, timeout_s: float) -> None:
        self._core = core
        self._timeout_s = timeout_s
        self.answers: Counter[tuple[str, str]] = Counter()

    async def freeze(self, hold: Hold) -> HoldState | NoAnswer:
        return await self._ask("freeze", hold.reference_id, lambda: self._core.freeze(hold))

    async def debit(self, hold: Hold) -> HoldState | NoAnswer:
        return await self._ask("debit", hold.reference_id, lambda: self._core.debit(hold))

    async def release(self, hold: Hold) -> HoldState | NoAnswer:
        return await self._ask("release", hold.reference_id, lambda: self._core.release(hold))

    async def query(self, reference_id: str) -> HoldState | NoAnswer:
        return await self._ask("query", reference_id, lambda: self._core.query(reference_id))

    async def available_minor(self, customer_id: str, currency: str) -> int | None:
        """What the customer could have frozen now; None when the core does not say so within a second."""
        try:
            async with asyncio.timeout(min(_GLANCE_S, self._timeout_s)):
                return await self._core.available_minor(customer_id, currency)
        except (TimeoutError, OSError, Unavailable) as error:
            _log.warning("the core has not said what %s has: %s", customer_id, type(error).__name__)
        except Exception:
            _log.exception("the core cannot be asked what %s has", customer_id)
        return None

    async def _ask(self, act: str, reference_id: str, ask: Callable[[], Awaitable[HoldState]]) -> HoldState | NoAnswer:
        answer: HoldState | NoAnswer = NoAnswer.FAILED
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = HoldState(await ask())  # an adapter is somebody else's code: what it gives is checked
        except (TimeoutError, OSError, Unavailable) as error:
            answer = NoAnswer.SILENT
            _log.warning("the core has not answered %s of %s: %s", act, reference_id, type(error).__name__)
        except Exception:  # the connection to another system is a boundary
            _log.exception("the core cannot be asked %s of %s", act, reference_id)
        self.answers[act, answer.value] += 1
        return answer


def known(answer: HoldState | NoAnswer) -> HoldState:
    """What an answer says of the reference; without one nothing is known."""
    return answer if isinstance(answer, HoldState) else HoldState.NOT_KNOWN
