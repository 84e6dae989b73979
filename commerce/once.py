"""Doing a customer's command once: claim the key, work, store the answer, in one transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from commerce.errors import IllegalMove, Refusal
from commerce.idempotency import Answer, Claim
from commerce.keys_postgres import in_progress
from commerce.uow_postgres import Unit, Units

T = TypeVar("T", bound=msgspec.Struct)
W = TypeVar("W")


async def once(units: Units, claim: Claim, kind: type[T], work: Callable[[Unit], Awaitable[T]]) -> T:
    """Do the work and store its answer in one transaction, or return the answer that is stored already.

    Raises Conflict `idempotency_conflict` for another body under the same key, Unavailable `in_progress` when the
    first attempt is still under way after `claim.wait_s`.
    """
    try:
        async with units.begin() as unit:
            stored = await unit.keys.claim(claim)
            if stored is None:
                result = await work(unit)
                await unit.keys.answer(claim, Answer(msgspec.to_builtins(result)))
                return result
    except (Refusal, IllegalMove) as refusal:
        # The refused work is undone as a whole; its answer is kept by a transaction of its own. Between the two a
        # repeat may have got another answer: then that one is the key's answer.
        stored = await _keep_refusal(units, claim, refusal)
    return stored.open(kind)


async def refused_once(units: Units, claim: Claim, work: Callable[[Unit], Awaitable[W]]) -> W:
    """Do the work in one transaction; a Refusal or IllegalMove of it is kept as the key's answer, and raised.

    For work that stores its own answers and looks for them itself.
    """
    try:
        async with units.begin() as unit:
            return await work(unit)
    except (Refusal, IllegalMove) as refusal:
        kept = await _keep_refusal(units, claim, refusal)
        if kept.code is None:
            raise in_progress() from None  # answered meanwhile: asked again, the key repeats that
        raise


async def _keep_refusal(units: Units, claim: Claim, refusal: Refusal | IllegalMove) -> Answer:
    answer = Answer(code=refusal.code, detail=refusal.detail, extra=refusal.extra)
    async with units.begin() as unit:
        stored = await unit.keys.claim(claim)
        if stored is not None:
            return stored
        await unit.keys.answer(claim, answer)
        return answer
