"""What load users write: texts that differ, that moderation lets pass, and that carry a number. Pure."""

from __future__ import annotations

from typing import Final

# Sixteen harmless characters stand for the hexadecimal digits: numbers as such would be masked as telephone numbers.
_DIGITS: Final = "山水花鸟春夏秋冬松竹梅兰云霞江湖"
_PREFIX: Final = "来看"


def numbered(number: int) -> str:
    """Write a comment that carries the number, 0 or more."""
    return _PREFIX + "".join(_DIGITS[int(digit, 16)] for digit in f"{number:x}")


def number_of(text: str) -> int | None:
    """Read the number of a comment; None where `numbered` did not write it."""
    digits = text.removeprefix(_PREFIX)
    if digits == text or not digits or not set(digits) <= set(_DIGITS):
        return None
    return int("".join(f"{_DIGITS.index(digit):x}" for digit in digits), 16)
