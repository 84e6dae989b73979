"""Identifiers: time-ordered, unguessable, readable by their two-letter prefix. Draws randomness, no I/O."""

import os
import re
import time
from functools import lru_cache

ID_PATTERN = re.compile(r"^[a-z]{2}_[0-9a-z_]{1,40}$")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u to misread
_DIGIT_OF_BYTE = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))  # eight bytes a digit: each as likely


def new_id(prefix: str) -> str:
    """Make an id such as `or_06c2…`: ten digits of milliseconds, then 80 random bits, so that ids sort by age."""
    return f"{prefix}_{_digits_of(time.time_ns() // 1_000_000)}{os.urandom(16).translate(_DIGIT_OF_BYTE).decode()}"


@lru_cache(maxsize=2)
def _digits_of(time_ms: int) -> str:
    return "".join([_ALPHABET[time_ms >> shift & 31] for shift in range(45, -5, -5)])


def is_id(text: str, prefix: str) -> bool:
    """Say whether the text has the form of an id of this kind; it need not exist."""
    return text.startswith(f"{prefix}_") and ID_PATTERN.fullmatch(text) is not None
