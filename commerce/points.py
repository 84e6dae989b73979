"""Applause points: who may tip how much, and which grants a tip uses up. Pure.

Points are granted, expire, are not bought, not transferable and not cashable; the host receives nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from commerce.errors import Refusal


@dataclass(frozen=True, slots=True)
class Grant:
    """What is left of one grant."""

    grant_id: str
    left_points: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TipContext:
    """What decides about a tip; `tipped_today` counts the bank's business day."""

    adult: bool
    card_shown: bool
    tipped_today: int
    daily_cap: int


def tip_refusal(points: int, context: TipContext) -> Refusal | None:
    """Return the first reason against a tip, or None; the balance is `use_up`'s matter."""
    if not context.adult:
        return Refusal("minor", "only adults may tip")
    if context.card_shown:
        return Refusal("tips_off", "tips are off while a product card is shown")
    if context.tipped_today + points > context.daily_cap:
        left = max(0, context.daily_cap - context.tipped_today)
        return Refusal("daily_cap", f"{left} points are left for today", left_today=left)
    return None


def valid(grants: Iterable[Grant], now: datetime) -> list[Grant]:
    """The grants that still count, what expires first in front."""
    alive = [grant for grant in grants if grant.expires_at > now and grant.left_points > 0]
    return sorted(alive, key=lambda grant: (grant.expires_at, grant.grant_id))


def balance(grants: Iterable[Grant], now: datetime) -> int:
    return sum(grant.left_points for grant in valid(grants, now))


def use_up(grants: Iterable[Grant], points: int, now: datetime) -> list[tuple[str, int]]:
    """Say how many points to take from which grant, soonest to expire first; raises `insufficient_points`."""
    wanted, uses = points, []
    for grant in valid(grants, now):
        used = min(wanted, grant.left_points)
        uses.append((grant.grant_id, used))
        wanted -= used
        if wanted == 0:
            return uses
    raise Refusal("insufficient_points", "not enough applause points", missing=wanted)
