"""Sealed personal data: AES-256-GCM under a named key, each value bound to the row it belongs to. No I/O; draws nonces.

An envelope is `1 | length of the key's id | the key's id | 12 bytes of nonce | ciphertext and tag`. What stands before
the nonce and the context (table, column, row) are authenticated with it: an envelope moved to another row does not
open. Nonces are random, hence a key is to be changed long before it has sealed 2^32 values (NIST SP 800-38D, 8.3).
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class EnvelopeError(Exception):
    """An envelope cannot be opened: its key is not among those given, or it is not what was sealed for this row."""


class Envelopes:
    """Seals under the first of its keys, opens what any of them sealed."""

    def __init__(self, keys: Mapping[str, bytes], nonce: Callable[[int], bytes] = os.urandom) -> None:
        """Take keys of 32 bytes by id, the sealing one first; raises ValueError that names what is wrong."""
        if not keys:
            raise ValueError("at least one key is needed")
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"a key's id is 1 to 32 of a-z, 0-9, _ and -: {key_id[:40]!r}")
            if len(key) != _KEY_BYTES:
                raise ValueError(f"key {key_id}: {_KEY_BYTES} bytes are needed, not {len(key)}")
        self._ciphers = {key_id.encode(): AESGCM(key) for key_id, key in keys.items()}
        self.first = next(iter(keys))
        self.first_header = _header(self.first.encode())
        self._nonce = nonce
        self._fingerprint_key = hmac.digest(keys[self.first], b"fingerprint", hashlib.sha256)
        self.unopened = 0  # values that did not open, since the start

    @classmethod
    def of_base64(cls, keys: Mapping[str, str]) -> "Envelopes":
        """Take keys in base64, as settings hold them; raises ValueError that never holds a key."""
        decoded = {}
        for key_id, text in keys.items():
            try:
                decoded[key_id] = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"key {key_id[:40]}: not base64") from None
        return cls(decoded)

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt for this context, such as `customers.personal ac_1`; the same context opens it."""
        nonce = self._nonce(_NONCE_BYTES)
        cipher = self._ciphers[self.first.encode()]
        return self.first_header + nonce + cipher.encrypt(nonce, plain, self.first_header + context.encode())

    def fingerprint(self, plain: bytes) -> bytes:
        """Hash what could be guessed from a plain hash: only who has the key can tell whether a guess is right.

        Under another first key it is another one.
        """
        return hmac.digest(self._fingerprint_key, plain, hashlib.sha256)

    def open(self, envelope: bytes, context: str) -> bytes:
        """Decrypt; raises EnvelopeError, and counts it."""
        try:
            return self._open(envelope, context)
        except EnvelopeError:
            self.unopened += 1
            raise

    def _open(self, envelope: bytes, context: str) -> bytes:
        header = envelope[: 2 + envelope[1]] if len(envelope) > 2 else b""
        cipher = self._ciphers.get(header[2:])
        if cipher is None or header[0] != _VERSION:
            key_id = header[2:].decode("ascii", "replace")
            # What is no key's id may be anything: it is not repeated.
            named = f"its key {key_id!r} is not in DATA_KEYS" if _KEY_ID.fullmatch(key_id) else "it names no key"
            raise EnvelopeError(f"{context}: {named}")
        nonce, sealed = envelope[len(header) :][:_NONCE_BYTES], envelope[len(header) + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, header + context.encode())
        except (InvalidTag, ValueError):
            raise EnvelopeError(f"{context}: not what was sealed there") from None


def _header(key_id: bytes) -> bytes:
    return bytes([_VERSION, len(key_id)]) + key_id
