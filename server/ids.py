"""Identifiers: time-ordered, unguessable, readable by their two-letter prefix. Draws randomness, no I/O."""

import os
import re
import time
from functools import lru_cache

ID_PATTERN = re.compile(r"^[a-z]{2}_[0-9a-z_]{1,40}$")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u to misread


_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]  # two digits at a time: half the steps


def _base32(value: int, pairs: int) -> str:
    """Write a number with `pairs` times two digits."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(10 * pairs - 10, -10, -10)])


def new_id(prefix: str) -> str:
    """Make an id such as `or_06c2…`: ten digits of milliseconds, then 80 random bits, so that ids sort by age."""
    return f"{prefix}_{_digits_of(time.time_ns() // 1_000_000)}{_base32(int.from_bytes(os.urandom(10)), 8)}"


@lru_cache(maxsize=2)
def _digits_of(time_ms: int) -> str:
    return _base32(time_ms, 5)  # a busy millisecond makes dozens of ids


def is_id(text: str, prefix: str) -> bool:
    """Say whether the text has the form of an id of this kind; it need not exist."""
    return text.startswith(f"{prefix}_") and ID_PATTERN.fullmatch(text) is not None
