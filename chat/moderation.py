"""Decides on a text before anyone else sees it: pass, hold or block. Pure.

Forbidden phrases first (allow rows are exceptions), then contacts; personal data is masked whatever the verdict.
Not caught: homophones (宝本), split characters (亻呆本), pinyin, phrases spread over several comments.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import ahocorasick_rs

from chat.contacts import has_contact
from chat.events import Verdict
from chat.normalising import NormalisedText, normalise
from chat.personal_data import mask

Action = Literal["block", "hold", "allow"]


@dataclass(frozen=True, slots=True)
class Phrase:
    """One row of the list; `note` is the reason that staff read."""

    action: Action
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, why, and the text as it may be stored and shown: as written, personal data starred out."""

    verdict: Verdict
    reasons: tuple[str, ...]
    text: str


class Moderator:
    """Judges texts by a list of phrases; a new list is a new moderator."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        folded = [(phrase, normalise(phrase.text).folded) for phrase in phrases]
        self._phrases = [phrase for phrase, key in folded if key]
        self._latin = [key.isascii() for _, key in folded if key]
        self._automaton = ahocorasick_rs.AhoCorasick([key for _, key in folded if key])

    def judge(self, text: str) -> Judgement:
        """Decide on one text; its length is the caller's to bound, the cost is linear in it."""
        normalised = normalise(text)
        masked = mask(text)
        found = self._matches(normalised)
        reasons = [phrase.note for phrase in found]
        if has_contact(normalised) or "phone" in masked.kinds:
            reasons.append("off-platform contact")
        verdict: Verdict = "pass"
        if any(phrase.action == "block" for phrase in found):
            verdict = "block"
        elif reasons:
            verdict = "hold"
        return Judgement(verdict, tuple(dict.fromkeys(reasons)), masked.text)

    def _matches(self, text: NormalisedText) -> list[Phrase]:
        """Find the phrases that count: at word boundaries where Latin, and not within the reach of an allow row."""
        spans: list[tuple[int, int, Phrase]] = []
        allowed: list[tuple[int, int]] = []
        for index, start, end in self._automaton.find_matches_as_indexes(text.folded, overlapping=True):
            if self._latin[index] and not text.is_word(start, end):
                continue
            phrase = self._phrases[index]
            if phrase.action == "allow":
                allowed.append((start, end))
            else:
                spans.append((start, end, phrase))
        return [phrase for start, _, phrase in spans if not _excused(start, allowed)]


def _excused(start: int, allowed: list[tuple[int, int]]) -> bool:
    # 不保证收益: the allow row 不保证 begins before 保证收益 and reaches into it, so it is what was meant.
    return any(a_start <= start < a_end for a_start, a_end in allowed)
