"""The copy of a text that phrases are matched on. Pure.

Compatibility forms, case, accents, look-alikes and traditional characters are folded; what stands between the
characters (spaces, zero-width characters, marks, punctuation, emoji, strokes used as dots) is taken out, as domain.md
asks. What was written is never changed by this.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cached_property

import opencc

from chat.look_alikes import LOOK_ALIKES, READ_AS_LETTERS

_to_simplified = opencc.OpenCC("t2s")
# First letters of the Unicode categories that separate: control and format, marks, punctuation, symbols, spaces.
_SEPARATING = frozenset("CMPSZ")
_RIGHT_TO_LEFT = "\u202e"
# More than all characters that Chinese is written with.
_MOST_KEPT = 40_000
_TURNED = re.compile("\u202e([^\u202c\u202d\u2066-\u2069\n]*)")


def _fold(char: str) -> str:
    """Fold one character into what it is matched as; an empty text for what separates."""
    if (known := LOOK_ALIKES.get(char)) is not None:
        return known
    folded = []
    for part in unicodedata.normalize("NFKD", char).lower():
        category = unicodedata.category(part)
        if category == "Nd":
            folded.append(str(unicodedata.digit(part)))
        elif category[0] not in _SEPARATING and category != "Lm":
            folded.append(LOOK_ALIKES.get(part, _to_simplified.convert(part)[:1]))
    return "".join(folded)


class _Folding(dict[int, str | None]):
    """A `str.translate` table that fills itself, up to a bound: hostile texts hold every character there is."""

    def __init__(self, fold: Callable[[str], str]) -> None:
        self._fold = fold

    def __missing__(self, codepoint: int) -> str | None:
        folded = self._fold(chr(codepoint)) or None
        if len(self) < _MOST_KEPT:
            self[codepoint] = folded
        return folded


_folding = _Folding(_fold)


def _fold_as_letter(char: str) -> str:
    return "".join(READ_AS_LETTERS.get(part, part) for part in _fold(char) or READ_AS_LETTERS.get(char, ""))


_as_letters = _Folding(_fold_as_letter)


def _plain_characters() -> str:
    """The body of a regex class: characters that lower case and taking out `\\W` fold completely."""
    han = [chr(c) for c in range(0x4E00, 0xA000)]
    simplified = _to_simplified.convert("\n".join(han)).split("\n")
    plain = "".join(a for a, b in zip(han, simplified, strict=True) if a == b and a not in LOOK_ALIKES)
    signs = "，。！？：；、“”‘’（）《》…·—～【】「」\u3000\u200b\u200d\ufe0f￥"
    # Pictures only separate; the dingbat digits among U+2600-27BF are left to the slow path.
    return r"\x00-\x7f\U0001f300-\U0001faff\u2600-\u2775\u2794-\u27bf" + signs + plain


_UNUSUAL = re.compile(f"[^{_plain_characters()}]")
_SEPARATORS = re.compile(r"[\W_]+")
# Shorter than the shortest phrase there is nothing to find; R2 and C3 end here.
_LATIN = re.compile("[a-z0-9]{3}")
_MAYBE_LETTERS = re.compile("[a-z][0134578]|[0134578][a-z]")
_SIGNS_AS_LETTERS = re.compile("[@$€]|[A-Za-z][!|I][A-Za-z]")
_BARS = re.compile("(?<=[A-Za-z])[!|I](?=[A-Za-z])")


class NormalisedText:
    """`folded` is matched on; places in it lead back to the text."""

    def __init__(self, text: str, folded: str, table: _Folding) -> None:
        self.text = text
        self.folded = folded
        self._table = table

    @cached_property
    def lowered(self) -> str:
        """Compatibility forms and case folded, separators kept."""
        return unicodedata.normalize("NFKC", self.text).lower()

    @cached_property
    def _places(self) -> list[int]:
        return [i for i, char in enumerate(self.text) for _ in self._table[ord(char)] or ""]

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Return where folded[start:end] stands in the text."""
        return self._places[start], self._places[end - 1] + 1

    def is_word(self, start: int, end: int) -> bool:
        """Say whether folded[start:end] begins and ends at a word boundary of the text; a plural `s` is allowed.

        Needed for phrases in Latin letters: "leisure wine" is not "sure win".
        """
        first, after = self.written(start, end)
        if self._letter(after) == "s":
            after += 1
        return not (self._is_latin(first - 1) or self._is_latin(after))

    def _letter(self, place: int) -> str:
        return (self._table[ord(self.text[place])] or "") if 0 <= place < len(self.text) else ""

    def _is_latin(self, place: int) -> bool:
        letters = self._letter(place)
        return letters != "" and letters.isascii()


def normalise(text: str) -> NormalisedText:
    """Make the copy that is matched on; plain text, nearly all there is, takes a short cut to the same result."""
    if _UNUSUAL.search(text) is None:
        return NormalisedText(text, _SEPARATORS.sub("", text.lower()), _folding)
    return NormalisedText(text, text.translate(_folding), _folding)


def as_letters(text: NormalisedText) -> NormalisedText | None:
    """Make the copy in which digits and signs are read as Latin letters; None where there is nothing to read so."""
    folded = text.folded
    if _LATIN.search(folded) is None:
        return None
    if _MAYBE_LETTERS.search(folded) is None and _SIGNS_AS_LETTERS.search(text.text) is None:
        return None
    written = _BARS.sub("i", text.text)
    return NormalisedText(written, written.translate(_as_letters), _as_letters)


# Pictures that fold into letters: flags, keycaps, enclosed and letter-like signs, marks of repetition.
_PICTURED = re.compile(
    "[0-9#*]\ufe0f?\u20e3|[\u00a9\u00ae\u2100-\u214f\u2460-\u24ff\u3005-\u3007\u3200-\u33ff\U0001f100-\U0001f1ff]"
)


def without_pictured(text: str) -> str | None:
    """Return the text as one reads it who takes every picture of a letter for a mere picture; None without any.

    Between Chinese characters 🇨🇳 or 1️⃣ parts a phrase as 🔥 does; in ⓖⓤⓐⓡⓐⓝⓣⓔⓔⓓ it is the letter that counts, so both
    readings are matched.
    """
    return _PICTURED.sub(" ", text) if _PICTURED.search(text) is not None else None


# One plain letter or digit, with or without separators round it, between two Chinese characters.
_STRAY = re.compile(r"(?<=[\u4e00-\u9fff])[\W_]*[A-Za-z0-9][\W_]*(?=[\u4e00-\u9fff])")


def without_strays(text: str) -> str | None:
    """Return the text without single letters and digits between Chinese characters, 保a本; None without any.

    Where more than one stands together it is a word or a number, and part of what is said.
    """
    return _STRAY.sub("", text) if _STRAY.search(text) is not None else None


def turned(text: str) -> str | None:
    """Return what a reader sees where a right-to-left override turns a text round; None without one."""
    if _RIGHT_TO_LEFT not in text:
        return None
    return _TURNED.sub(lambda found: found[1][::-1], text)


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})


def says_something(text: str) -> bool:
    """Say whether any of it can be seen: blanks, controls and marks without a letter under them cannot.

    What this Python does not know yet (a new emoji) may be seen.
    """
    return any(unicodedata.category(char) not in _UNSEEN for char in text)
