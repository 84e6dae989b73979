"""Decides on a text before anyone else sees it: pass, hold or block. Pure.

Forbidden phrases first (allow rows and denials are exceptions), then contacts; personal data is masked whatever the
verdict. Not caught: homophones (宝本), split characters (亻呆本), pinyin, letters of one script put between the
characters of another (保a本), phrases spread over several comments.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import ahocorasick_rs

from chat.contacts import TRIGGERS, has_link, is_contact
from chat.denials import denied_afterwards, denied_in_chinese, denied_in_english, ends_a_clause, goes_on
from chat.events import Verdict
from chat.look_alikes import READ_AS_LETTERS
from chat.normalising import NormalisedText, as_letters, normalise, turned, without_pictured, without_strays
from chat.personal_data import has_long_number, mask
from chat.phrase_context import EXCUSING, UNLESS_AFTER, UNLESS_BEFORE

Action = Literal["block", "hold", "allow"]
# A Latin phrase this long is recognised by its look-alikes alone; "no.1" needs a digit in a letter's place.
_TELLING_LENGTH = 6


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


class Judge(Protocol):
    """Decides on texts; pure and quick, so it is called on the event loop."""

    def judge(self, text: str) -> Judgement:
        """Decide on one text; its length is the caller's to bound, the cost is linear in it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A phrase at folded[start:end]; `unsure` where words of two clauses make it up."""

    phrase: Phrase
    start: int
    end: int
    unsure: bool = False

    @property
    def blocks(self) -> bool:
        return self.phrase.action == "block" and not self.unsure


class Moderator:
    """Judges texts by a list of phrases; a new list is a new moderator."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        context = (Phrase("allow", text, "context") for text in EXCUSING)
        folded = [(phrase, normalise(phrase.text).folded) for phrase in (*phrases, *context)]
        self._phrases = [phrase for phrase, key in folded if key]
        self._keys = [key for _, key in folded if key]
        self._latin = [key.isascii() for key in self._keys]
        self._automaton = ahocorasick_rs.AhoCorasick([*self._keys, *TRIGGERS])
        self._as_letters = [i for i, latin in enumerate(self._latin) if latin]
        self._letters = ahocorasick_rs.AhoCorasick([_read_as_letters(self._keys[i]) for i in self._as_letters])

    def judge(self, text: str) -> Judgement:
        """Decide on one text; its length is the caller's to bound, the cost is linear in it."""
        normalised = normalise(text)
        found, contact = self._matches(normalised)
        for shown in (turned(text), without_pictured(text), without_strays(text)):
            if shown is not None:
                also, also_contact = self._matches(normalise(shown))
                found, contact = found + also, contact or also_contact
        reasons = [one.phrase.note for one in found]
        if has_long_number(normalised.folded):
            masked = mask(text)
            text, contact = masked.text, contact or "phone" in masked.kinds
        if contact:
            reasons.append("off-platform contact")
        if not reasons:
            return Judgement("pass", (), text)
        verdict: Verdict = "block" if any(one.blocks for one in found) else "hold"
        return Judgement(verdict, tuple(dict.fromkeys(reasons)), text)

    def _matches(self, text: NormalisedText) -> tuple[list[_Found], bool]:
        """Find the phrases that count, and whether there is a contact."""
        hits = self._automaton.find_matches_as_indexes(text.folded, overlapping=True)
        found: list[_Found] = []
        if hits:
            known = len(self._phrases)
            found = self._counting(text, [hit for hit in hits if hit[0] < known])
        contact = has_link(text) or any(
            is_contact(text, start) for index, start, _ in hits if index >= len(self._phrases)
        )
        if (read := as_letters(text)) is not None:
            found += self._in_letters(read, found)
        return found, contact

    def _counting(self, text: NormalisedText, hits: list[tuple[int, int, int]]) -> list[_Found]:
        """Keep what stands at word boundaries where Latin, is not excused by an allow row, and is not denied."""
        allowed: list[tuple[int, int]] = []
        found: list[_Found] = []
        for index, start, end in hits:
            phrase = self._phrases[index]
            if self._latin[index]:
                if not text.is_word(start, end):
                    continue
                one = _Found(phrase, start, end, _spans_clauses(text, phrase, start, end))
            else:
                one = _Found(phrase, start, end)
            if phrase.action == "allow":
                if not (one.unsure or _unfitting(text.folded, phrase.text, start, end)):
                    allowed.append((start, end))
            elif not (one.unsure and phrase.action == "hold"):
                found.append(one)
        return _meant(text, [one for one in found if not _excused(one, allowed)])

    def _in_letters(self, text: NormalisedText, known: list[_Found]) -> list[_Found]:
        """Find Latin phrases that are written with digits and signs for letters."""
        hits = []
        for place, start, end in self._letters.find_matches_as_indexes(text.folded, overlapping=True):
            index = self._as_letters[place]
            first, after = text.written(start, end)
            # "no I" reads like "no 1" and is neither; something must stand in a letter's place.
            disguised = any(
                char in READ_AS_LETTERS and char != "l" and char not in self._phrases[index].text
                for char in normalise(text.text[first:after]).lowered
            )
            if disguised or end - start >= _TELLING_LENGTH:
                hits.append((index, start, end))
        notes = {one.phrase.text for one in known}
        return [one for one in self._counting(text, hits) if one.phrase.text not in notes]


def _read_as_letters(key: str) -> str:
    return "".join(READ_AS_LETTERS.get(char, char) for char in key)


def _unfitting(folded: str, word: str, start: int, end: int) -> bool:
    """Say whether what stands beside an excusing word makes it another one: 的确保本, 有无风险的."""
    before = UNLESS_BEFORE.get(word)
    if before is not None and folded.endswith(before, 0, start):
        return True
    return folded.startswith(UNLESS_AFTER.get(word, ()), end)


def _excused(one: _Found, allowed: list[tuple[int, int]]) -> bool:
    # 不保证收益: the allow row 不保证 begins before 保证收益 and reaches into it, so it is what was meant; a forbidden
    # phrase that holds the whole allow row and more is not excused by it.
    return any(start <= one.start < end and not (one.start == start and one.end > end) for start, end in allowed)


def _meant(text: NormalisedText, found: list[_Found]) -> list[_Found]:
    """Leave out what is denied; a denial holds for the list that it stands before or behind: 不得宣传保本、零风险."""
    meant: list[_Found] = []
    items: list[_Found] = []
    reached = 0
    for one in sorted(found, key=lambda one: one.start):
        first, after = text.written(one.start, one.end)
        if items and first >= reached and not goes_on(text.text[reached:first]):
            meant += _undenied(text, items)
            items = []
        items.append(one)
        reached = max(reached, after)
    return meant + _undenied(text, items)


def _undenied(text: NormalisedText, items: list[_Found]) -> list[_Found]:
    from_here = next((i for i, one in enumerate(items) if _denied(text, one)), len(items))
    if any(denied_afterwards(text.text[text.written(one.start, one.end)[1] :]) for one in items):
        return []
    return items[:from_here]


def _denied(text: NormalisedText, one: _Found) -> bool:
    if one.phrase.text.isascii():
        first, _ = text.written(one.start, one.end)
        return denied_in_english(text.text[:first].lower())
    return denied_in_chinese(text.folded[: one.start], text.folded[one.end :])


def _spans_clauses(text: NormalisedText, phrase: Phrase, start: int, end: int) -> bool:
    """Say whether the phrase's words stand whole and in two clauses: "No, risk matters to me"."""
    words = phrase.text.split()
    if len(words) < 2:
        return False
    first, after = text.written(start, end)
    written = text.text[first:after].lower()
    place, unsure = 0, False
    for word in words:
        at = written.find(word, place)
        if at < 0:
            return False
        unsure = unsure or (place > 0 and ends_a_clause(written[place:at]))
        place = at + len(word)
    return unsure
