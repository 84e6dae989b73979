"""DTLS 1.2 records: cut and pack datagrams, and read a close_notify after the SSL object is gone (RFC 6347). Pure.

An SSL object holds some 85 KB, and after the handshake only one thing of it is still wanted: to know that the peer
closed. Twenty bytes of keys are enough for that (RFC 5246 §6.3, RFC 5288).
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER_LENGTH = 13
ALERT = 21
_MAX_RECORDS = 16
_KEY_BYTES, _IMPLICIT_BYTES, _EXPLICIT_BYTES, _TAG_BYTES = 16, 4, 8, 16
_ENCRYPTED_ALERT_BYTES = _EXPLICIT_BYTES + 2 + _TAG_BYTES
_CLOSE_NOTIFY, _FATAL = 0, 2
READABLE_CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"
"""The cipher suite whose alerts `ClosingKeys` can open: the one that every browser agrees on."""


def split_records(data: bytes) -> list[bytes]:
    """Cut a datagram, or what OpenSSL wrote, into whole records; a record whose length lies ends the list."""
    records: list[bytes] = []
    position = 0
    while position + HEADER_LENGTH <= len(data) and len(records) < _MAX_RECORDS:
        end = position + HEADER_LENGTH + ((data[position + 11] << 8) | data[position + 12])
        if end > len(data):
            break
        records.append(data[position:end])
        position = end
    return records


def pack_records(written: bytes, max_bytes: int) -> list[bytes]:
    """Gather whole records into datagrams of at most `max_bytes`; a longer record goes alone."""
    datagrams: list[bytes] = []
    for record in split_records(written):
        if datagrams and len(datagrams[-1]) + len(record) <= max_bytes:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


class ClosingKeys:
    """The client's write key, enough to authenticate its alerts."""

    __slots__ = ("_implicit", "_key")

    def __init__(self, master_secret: bytes, client_random: bytes, server_random: bytes) -> None:
        block = _prf(master_secret, b"key expansion", server_random + client_random, 2 * (_KEY_BYTES + _IMPLICIT_BYTES))
        self._key = block[:_KEY_BYTES]
        self._implicit = block[2 * _KEY_BYTES : 2 * _KEY_BYTES + _IMPLICIT_BYTES]

    def closes(self, record: bytes) -> bool:
        """Say whether this record is an authentic close_notify or fatal alert of the client."""
        body = record[HEADER_LENGTH:]
        if record[0] != ALERT or len(body) != _ENCRYPTED_ALERT_BYTES:
            return False
        nonce = self._implicit + body[:_EXPLICIT_BYTES]
        covered = record[3:11] + record[:3] + struct.pack("!H", len(body) - _EXPLICIT_BYTES - _TAG_BYTES)
        try:
            level, description = AESGCM(self._key).decrypt(nonce, body[_EXPLICIT_BYTES:], covered)
        except InvalidTag:
            return False
        return description == _CLOSE_NOTIFY or level == _FATAL


def _prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """TLS 1.2's PRF with SHA-256 (RFC 5246 §5)."""
    seed = label + seed
    chain, made = seed, b""
    while len(made) < size:
        chain = hmac.new(secret, chain, hashlib.sha256).digest()
        made += hmac.new(secret, chain + seed, hashlib.sha256).digest()
    return made[:size]
