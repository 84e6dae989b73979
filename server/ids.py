"""Identifiers: time-ordered, unguessable, readable by their two-letter prefix. Draws randomness, no I/O."""

import re
import secrets
import time

ID_PATTERN = re.compile(r"^[a-z]{2}_[0-9a-z_]{1,40}$")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u to misread


def _base32(value: int, digits: int) -> str:
    out = []
    for _ in range(digits):
        out.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(out))


def new_id(prefix: str) -> str:
    """Make an id such as `or_06c2…`: ten digits of milliseconds, then 80 random bits, so that ids sort by age."""
    return f"{prefix}_{_base32(time.time_ns() // 1_000_000, 10)}{_base32(secrets.randbits(80), 16)}"


def is_id(text: str, prefix: str) -> bool:
    """Say whether the text has the form of an id of this kind; it need not exist."""
    return text.startswith(f"{prefix}_") and ID_PATTERN.fullmatch(text) is not None
