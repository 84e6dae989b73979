"""Finds and masks personal data in what people write: mobile phones, ID cards, bank cards. Pure.

Digits may be full-width or circled and may be parted by up to two separators. Not found: digits written as
words (一三八…), numbers spread over several messages, numbers of other countries.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["phone", "id_card", "bank_card"]

_KEPT_HEAD: dict[Kind, int] = {"phone": 3, "id_card": 0, "bank_card": 0}
_KEPT_TAIL = 4
_MAX_SEPARATORS = 2
# GB 11643-1999: weights of the first 17 digits and the check characters by remainder (ISO 7064 MOD 11-2).
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
# Old Visa, Diners Club, American Express.
_SHORTER_CARDS = {13: ("4",), 14: ("30", "36", "38", "39"), 15: ("34", "37")}

# The shortest number looked for is a phone's; on folded text nothing parts its digits.
_LONG_NUMBER = re.compile("[0-9]{11}")
# Everything that `unicodedata.digit` takes for one and people can type, and the closing X of an ID card.
_DIGITS = re.compile(r"[\dxXＸｘ²³¹⁰-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓿❶-❾➀-➈➊-➒⓵-⓽]")


def has_long_number(folded: str) -> bool:
    """Say whether folded text (`chat.normalising`) holds digits enough to be worth looking closer."""
    return _LONG_NUMBER.search(folded) is not None


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with its personal data starred out, and what kinds there were."""

    text: str
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class _Run:
    """Digits (and a closing X) that belong together, with their places in the text."""

    symbols: str
    places: tuple[int, ...]

    def starts_at(self, i: int) -> bool:
        """Say whether a number could begin here: nothing or a separator stands before."""
        return i == 0 or self.places[i - 1] + 1 < self.places[i]

    def ends_at(self, i: int) -> bool:
        """Say whether a number could end before here."""
        length = len(self.symbols)
        return i == length or (i < length and self.places[i - 1] + 1 < self.places[i])


def mask(text: str) -> Masked:
    """Star out every number found, keeping its last four digits (and a phone's first three)."""
    chars = list(text)
    kinds: set[Kind] = set()
    for run in _runs(text):
        for start, end, kind in _numbers(run):
            kinds.add(kind)
            for i in range(start + _KEPT_HEAD[kind], end - _KEPT_TAIL):
                chars[run.places[i]] = "*"
    return Masked("".join(chars) if kinds else text, frozenset(kinds))


def _numbers(run: _Run) -> Iterator[tuple[int, int, Kind]]:
    i = 0
    while i < len(run.symbols):
        found = _number_at(run, i)
        if found is None:
            i += 1
            continue
        end, kind = found
        yield i, end, kind
        i = end


def _number_at(run: _Run, i: int) -> tuple[int, Kind] | None:
    if is_id_card(run.symbols[i : i + 18]):
        return i + 18, "id_card"
    if not run.starts_at(i):
        return None
    # Phones first: one with its country code can pass Luhn's check, and a phone is also a contact.
    country_code = 2 if run.symbols.startswith("86", i) else 0
    end = i + country_code + 11
    if run.ends_at(end) and is_phone(run.symbols[i + country_code : end]):
        return end, "phone"
    for end in range(i + 19, i + 12, -1):
        if run.ends_at(end) and is_bank_card(run.symbols[i:end]):
            return end, "bank_card"
    return None


def _runs(text: str) -> Iterator[_Run]:
    symbols: list[str] = []
    places: list[int] = []
    for found in _DIGITS.finditer(text):
        place, char = found.start(), found[0]
        digit = unicodedata.digit(char, None)
        closing_x = digit is None and len(symbols) >= 17 and char in "xXＸｘ"
        if digit is None and not closing_x:
            continue
        if places and not _joined(text[places[-1] + 1 : place]):
            yield _Run("".join(symbols), tuple(places))
            symbols, places = [], []
            if closing_x:
                continue
        symbols.append("X" if digit is None else str(digit))
        places.append(place)
    if places:
        yield _Run("".join(symbols), tuple(places))


def _joined(between: str) -> bool:
    visible = [char for char in between if unicodedata.category(char) not in ("Cf", "Mn")]
    return len(visible) <= _MAX_SEPARATORS and all(unicodedata.category(char)[0] in "PSZ" for char in visible)


def is_phone(digits: str) -> bool:
    """Say whether these are the 11 digits of a mainland mobile number."""
    return len(digits) == 11 and digits.isdigit() and digits[0] == "1" and digits[1] >= "3"


def is_bank_card(digits: str) -> bool:
    """Say whether 16-19 digits pass Luhn's check (ISO/IEC 7812-1 annex B); shorter ones by their issuers' first digits.

    Of any 13 to 15 digits a tenth pass the check, such as an order's number that begins with its date.
    """
    shorter = _SHORTER_CARDS.get(len(digits))
    if not digits.isdigit() or not (16 <= len(digits) <= 19 or (shorter and digits.startswith(shorter))):
        return False
    total = 0
    for i, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + i % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_id_card(symbols: str) -> bool:
    """Say whether these 18 symbols are a resident identity number with a right check character (GB 11643)."""
    if len(symbols) != 18 or not symbols[:17].isdigit() or symbols[6:8] not in ("18", "19", "20"):
        return False
    remainder = sum(int(digit) * weight for digit, weight in zip(symbols, _ID_WEIGHTS, strict=False)) % 11
    return symbols[17] == _ID_CHECKS[remainder]
