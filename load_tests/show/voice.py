"""The presenter's murmur as data: syllables, mouth opening and gestures at a stream position. Pure.

One schedule feeds sound and picture, so lips and loudness cannot drift apart.
"""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from load_tests.show.sections import SHOW_MS, section_starts

VOWELS: Final = "aeiou"
_ATTACK_MS: Final = 45
_RELEASE_MS: Final = 80
_GESTURE_EASE_MS: Final = 450


@dataclass(frozen=True)
class Syllable:
    """One voiced sound; `loudness` 0–1."""

    start_ms: int
    duration_ms: int
    vowel: str
    pitch_hz: int
    loudness: float


@dataclass(frozen=True)
class Phrase:
    """Syllables in one breath; a `stressed` phrase is louder and comes with a gesture."""

    start_ms: int
    end_ms: int
    stressed: bool
    syllables: tuple[Syllable, ...]


@lru_cache(maxsize=1)
def phrases() -> tuple[Phrase, ...]:
    """Return all phrases of one show in order; none crosses the end of the show."""
    draw = random.Random("voice of the sample show")
    starts = sorted(section_starts().values())
    spoken: list[Phrase] = []
    for start_ms, end_ms in zip(starts, [*starts[1:], SHOW_MS], strict=True):
        at_ms = start_ms + 700
        while at_ms < end_ms - 1_800:
            length = min(draw.randint(5, 12), (end_ms - at_ms) // 260)
            phrase = _phrase(draw, at_ms, length, stressed=len(spoken) % 3 == 0)
            spoken.append(phrase)
            at_ms = phrase.end_ms + draw.randint(350, 900)
    return tuple(spoken)


def mouth_opening(position_ms: int) -> float:
    """Return the loudness of the voice, 0 (closed, silent) to 1, at a stream position."""
    phrase = _phrase_at(position_ms)
    if phrase is None:
        return 0.0
    position = position_ms % SHOW_MS
    return max(syllable_envelope(syllable, position - syllable.start_ms) for syllable in phrase.syllables)


def syllable_envelope(syllable: Syllable, since_ms: float) -> float:
    """Return the loudness of one syllable `since_ms` after its start: raised-cosine attack and release."""
    if not 0 <= since_ms < syllable.duration_ms:
        return 0.0
    edge = min(since_ms / _ATTACK_MS, (syllable.duration_ms - since_ms) / _RELEASE_MS, 1.0)
    return syllable.loudness * (1 - math.cos(math.pi * edge)) / 2


def gesture(position_ms: int) -> float:
    """Return how far the presenter's hand is raised, 0 (at rest) to 1, at a stream position."""
    phrase = _phrase_at(position_ms)
    if phrase is None or not phrase.stressed:
        return 0.0
    position = position_ms % SHOW_MS
    edge = min(position - phrase.start_ms, phrase.end_ms - position) / _GESTURE_EASE_MS
    return (1 - math.cos(math.pi * min(edge, 1.0))) / 2


def syllables_between(from_ms: float, to_ms: float) -> list[Syllable]:
    """Return the syllables that sound at `from_ms` ≤ p < `to_ms`, positions within one show."""
    spoken = phrases()
    first = max(0, bisect_right(_starts(), from_ms) - 1)
    found: list[Syllable] = []
    for phrase in spoken[first:]:
        if phrase.start_ms >= to_ms:
            break
        found += [s for s in phrase.syllables if s.start_ms < to_ms and s.start_ms + s.duration_ms > from_ms]
    return found


def _phrase(draw: random.Random, start_ms: int, length: int, *, stressed: bool) -> Phrase:
    """Draw one phrase whose pitch falls by a fourth, as a statement's does."""
    syllables = []
    at_ms = start_ms
    base_hz = draw.randint(168, 186) + (14 if stressed else 0)
    for index in range(length):
        fall = 1 - 0.25 * index / max(1, length - 1)
        duration_ms = draw.choice((130, 150, 170)) + (90 if index == length - 1 else 0)
        pitch_hz = round(base_hz * fall * draw.uniform(0.96, 1.06))
        loudness = draw.uniform(0.75, 1.0) if stressed else draw.uniform(0.45, 0.7)
        syllables.append(Syllable(at_ms, duration_ms, draw.choice(VOWELS), pitch_hz, loudness))
        at_ms += duration_ms + draw.choice((15, 30, 60))
    return Phrase(start_ms, at_ms, stressed, tuple(syllables))


def _phrase_at(position_ms: int) -> Phrase | None:
    position = position_ms % SHOW_MS
    index = bisect_right(_starts(), position) - 1
    if index < 0 or position >= phrases()[index].end_ms:
        return None
    return phrases()[index]


@lru_cache(maxsize=1)
def _starts() -> tuple[int, ...]:
    return tuple(phrase.start_ms for phrase in phrases())
