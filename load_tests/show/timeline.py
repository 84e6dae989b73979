"""Stream position in milliseconds → the acts that are due. Pure and deterministic.

A position counts from the start of airing and grows beyond one show; every loop of the show has its own
selection of lines and seats, drawn from a generator seeded with the loop's number.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from load_tests.show.lines import BLOCKED, COMMENTS, QUESTIONS
from load_tests.show.sections import SECTIONS, SHOW_MS, section_starts

CARD_SHOWN_MS: Final = 50_000
CARD_PULLED_MS: Final = 140_000
_BUYERS_A_LOOP: Final = 7
_FIRST_PURCHASE_MS: Final = CARD_SHOWN_MS + 4_000
_LAST_PURCHASE_MS: Final = CARD_PULLED_MS - 35_000
_CANCEL_MS: Final = CARD_PULLED_MS + 12_000
_ANSWER_DELAY_MS: Final = 5_000


@dataclass(frozen=True)
class Say:
    """A seat writes a comment or a question."""

    seat: int
    text: str
    kind: str


@dataclass(frozen=True)
class Like:
    """A seat taps like `taps` times."""

    seat: int
    taps: int


@dataclass(frozen=True)
class Tip:
    """A seat tips applause points."""

    seat: int
    points: int


@dataclass(frozen=True)
class Pin:
    """The host pins the newest accepted comment with this text; None takes the pin away."""

    text: str | None


@dataclass(frozen=True)
class ShowCard:
    """The host features the product."""


@dataclass(frozen=True)
class PullCard:
    """The host pulls the product card."""


@dataclass(frozen=True)
class Buy:
    """A seat walks through gate, acknowledgement, order and submission for 1 to 5 shares (`purchase.py`)."""

    seat: int
    shares: int


@dataclass(frozen=True)
class CancelPurchases:
    """The crowd cancels what it bought in this loop, so that the quota lasts for hours."""


Act = Say | Like | Tip | Pin | ShowCard | PullCard | Buy | CancelPurchases


def acts_between(from_ms: int, to_ms: int, seats: int) -> list[Act]:
    """Return the acts due at positions `from_ms` ≤ p < `to_ms`, in order, for a crowd of `seats` ≥ 1."""
    due: list[Act] = []
    for loop in range(from_ms // SHOW_MS, (to_ms - 1) // SHOW_MS + 1):
        start = loop * SHOW_MS
        due += [act for at_ms, act in _loop_acts(loop, seats) if from_ms <= start + at_ms < to_ms]
    return due


def card_is_up(position_ms: int) -> bool:
    """Say whether the card stands on stage at this position, by the plan."""
    return CARD_SHOWN_MS <= position_ms % SHOW_MS < CARD_PULLED_MS


@lru_cache(maxsize=2)
def _loop_acts(loop: int, seats: int) -> tuple[tuple[int, Act], ...]:
    draw = random.Random(f"show loop {loop} of {seats}")
    acts: list[tuple[int, Act]] = [
        (CARD_SHOWN_MS, ShowCard()),
        (CARD_PULLED_MS, PullCard()),
        (_CANCEL_MS, CancelPurchases()),
    ]
    for part in (_talk, _blocked, _likes, _tips, _purchases):
        acts += part(draw, seats)
    return tuple(sorted(acts, key=lambda timed: timed[0]))


def _talk(draw: random.Random, seats: int) -> Iterator[tuple[int, Act]]:
    """Yield comments 1.5–3 s apart, and a question with its pin in the sections that have one."""
    starts = section_starts()
    for section in SECTIONS:
        lines = list(COMMENTS[section.key])
        draw.shuffle(lines)
        start = starts[section.key]
        at_ms = start + draw.randint(400, 1_500)
        while lines and at_ms < start + section.duration_ms:
            yield at_ms, Say(draw.randrange(seats), lines.pop(), "comment")
            at_ms += draw.randint(1_500, 3_000)
        if section.key in QUESTIONS:
            question = draw.choice(QUESTIONS[section.key])
            asked_ms = start + draw.randint(5_000, 7_000)
            yield asked_ms, Say(draw.randrange(seats), question, "question")
            yield asked_ms + _ANSWER_DELAY_MS, Pin(question)
    yield SHOW_MS - 1_000, Pin(None)


def _blocked(draw: random.Random, seats: int) -> Iterator[tuple[int, Act]]:
    """Yield two lines that moderation must stop, at moments when many people look."""
    for at_ms, text in zip((38_000, 112_000), draw.sample(BLOCKED, 2), strict=True):
        yield at_ms + draw.randint(0, 4_000), Say(draw.randrange(seats), text, "comment")


def _likes(draw: random.Random, seats: int) -> Iterator[tuple[int, Act]]:
    at_ms = 2_000
    while at_ms < SHOW_MS:
        yield at_ms, Like(draw.randrange(seats), draw.randint(1, 4))
        at_ms += draw.randint(500, 1_700)


def _tips(draw: random.Random, seats: int) -> Iterator[tuple[int, Act]]:
    """Yield tips well away from the card: points may not be tipped while it is shown."""
    for at_ms in (10_000, 24_000, 39_000, 152_000, 163_000, 172_000):
        yield at_ms + draw.randint(0, 4_000), Tip(draw.randrange(seats), draw.choice((1, 5, 10)))


def _purchases(draw: random.Random, seats: int) -> Iterator[tuple[int, Act]]:
    step_ms = (_LAST_PURCHASE_MS - _FIRST_PURCHASE_MS) // _BUYERS_A_LOOP
    for index in range(_BUYERS_A_LOOP):
        at_ms = _FIRST_PURCHASE_MS + index * step_ms + draw.randint(0, step_ms // 2)
        yield at_ms, Buy(draw.randrange(seats), draw.randint(1, 5))
