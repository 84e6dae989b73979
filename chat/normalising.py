"""The copy of a text that phrases are matched on. Pure.

NFKC, lower case, separators taken out between characters (spaces, zero-width characters, punctuation, emoji,
marks), traditional to simplified; as domain.md asks. What was written is never changed by this.
"""

import unicodedata
from dataclasses import dataclass

import opencc

_to_simplified = opencc.OpenCC("t2s")
# First letters of the Unicode categories that separate: control and format, marks, punctuation, symbols, spaces.
_SEPARATING = frozenset("CMPSZ")


class _Folding(dict[int, int | None]):
    """A `str.translate` table that fills itself: separators vanish, all else stays."""

    def __missing__(self, codepoint: int) -> int | None:
        separates = unicodedata.category(chr(codepoint))[0] in _SEPARATING
        folded = self[codepoint] = None if separates else codepoint
        return folded


_folding = _Folding()


@dataclass(frozen=True, slots=True)
class NormalisedText:
    """`lowered` still holds its separators and tells where words begin and end; `folded` is matched on."""

    lowered: str
    folded: str

    def is_word(self, start: int, end: int) -> bool:
        """Say whether folded[start:end] begins and ends at a word boundary of the text; a plural `s` is allowed.

        Needed for phrases in Latin letters: "leisure wine" is not "sure win".
        """
        kept = [i for i, char in enumerate(self.lowered) if _folding[ord(char)] is not None]
        before, after = kept[start] - 1, kept[end - 1] + 1
        if self.lowered[after : after + 1] == "s":
            after += 1
        return not (_is_latin(self.lowered[before : before + 1] if before >= 0 else "")) and not _is_latin(
            self.lowered[after : after + 1]
        )


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def normalise(text: str) -> NormalisedText:
    """Make the copy that is matched on."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    kept = lowered.translate(_folding)
    folded = _to_simplified.convert(kept)
    if len(folded) != len(kept):
        # Positions must line up for is_word; a conversion that changes the length is done a character at a time.
        folded = "".join(_to_simplified.convert(char)[:1] or char for char in kept)
    return NormalisedText(lowered, folded)
