"""ICE-lite (RFC 8445 §2.5): answer authenticated STUN bindings, follow the nominated pair, check nothing. Pure.

STUN as RFC 8489 says, short-term credentials only. The port finds the agent by the user name's first half; an unknown
one, or a wrong password, is not answered at all: an answer would tell a stranger which names exist.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from streaming.errors import MalformedPacket

BINDING_REQUEST, BINDING_INDICATION, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0011, 0x0101, 0x0111
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0006, 0x0008, 0x0009, 0x000A
XOR_MAPPED_ADDRESS, PRIORITY, USE_CANDIDATE = 0x0020, 0x0024, 0x0025
FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING = 0x8028, 0x8029, 0x802A
_KNOWN = {USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE}
MAGIC_COOKIE = 0x2112A442
_FINGERPRINT_XOR = 0x5354554E
_HEADER_LENGTH = 20
MAX_MESSAGE_BYTES = 1280
MAX_ATTRIBUTES = 32

Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as Python's `recvfrom` gives it, IPv4 or IPv6."""


@dataclass(frozen=True, slots=True)
class StunMessage:
    """One parsed STUN message whose FINGERPRINT was right."""

    kind: int
    transaction_id: bytes
    attributes: dict[int, bytes]
    integrity_covers: bytes
    """The bytes that MESSAGE-INTEGRITY signs, length field already set; empty where there is none."""

    @property
    def local_ufrag(self) -> str | None:
        """The first half of USERNAME: the receiver's own fragment (RFC 8445 §7.2.2)."""
        username = self.attributes.get(USERNAME, b"")
        head, separator, _ = username.partition(b":")
        return head.decode("ascii", "replace") if separator else None


def parse_stun(data: bytes) -> StunMessage:
    """Parse one datagram; raises MalformedPacket for anything but sound STUN that ends in a right FINGERPRINT."""
    if not _HEADER_LENGTH <= len(data) <= MAX_MESSAGE_BYTES:
        raise MalformedPacket("STUN message is too short or too long")
    kind, length, cookie = struct.unpack_from("!HHL", data)
    if kind & 0xC000 or cookie != MAGIC_COOKIE or length % 4 or length != len(data) - _HEADER_LENGTH:
        raise MalformedPacket("not a STUN message")
    attributes: dict[int, bytes] = {}
    covered = b""
    position = _HEADER_LENGTH
    while position + 4 <= len(data):
        attribute, size = struct.unpack_from("!HH", data, position)
        value = data[position + 4 : position + 4 + size]
        if len(value) != size or len(attributes) >= MAX_ATTRIBUTES:
            raise MalformedPacket("STUN attribute overruns the message")
        if attribute == FINGERPRINT:
            _check_fingerprint(data, position, value)
            return StunMessage(kind, data[8:20], attributes, covered)
        if MESSAGE_INTEGRITY not in attributes:
            if attribute == MESSAGE_INTEGRITY:
                covered = _with_length(data[:position], position - _HEADER_LENGTH + 24)
            attributes.setdefault(attribute, value)
        position += 4 + size + (-size % 4)
    raise MalformedPacket("STUN without the fingerprint that ICE demands")


def _with_length(head: bytes, length: int) -> bytes:
    return head[:2] + struct.pack("!H", length) + head[4:]


def _check_fingerprint(data: bytes, position: int, value: bytes) -> None:
    expected = zlib.crc32(_with_length(data[:position], position - _HEADER_LENGTH + 8)) ^ _FINGERPRINT_XOR
    if position + 8 != len(data) or value != struct.pack("!L", expected):
        raise MalformedPacket("STUN fingerprint is wrong")


def build_stun(kind: int, transaction_id: bytes, attributes: list[tuple[int, bytes]], password: str) -> bytes:
    """Build a message with MESSAGE-INTEGRITY and FINGERPRINT, the way both ends of ICE send them."""
    body = b"".join(
        struct.pack("!HH", attribute, len(value)) + value + bytes(-len(value) % 4) for attribute, value in attributes
    )
    message = struct.pack("!HHL", kind, len(body), MAGIC_COOKIE) + transaction_id + body
    signed = _with_length(message, len(body) + 24)
    digest = hmac.new(password.encode(), signed, hashlib.sha1).digest()
    message += struct.pack("!HH", MESSAGE_INTEGRITY, 20) + digest
    message = _with_length(message, len(message) - _HEADER_LENGTH + 8)
    crc = zlib.crc32(message) ^ _FINGERPRINT_XOR
    return message + struct.pack("!HHL", FINGERPRINT, 4, crc)


def xor_mapped_address(address: Address, transaction_id: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2); an IPv4-mapped IPv6 address counts as IPv4."""
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    mask = struct.pack("!L", MAGIC_COOKIE) + transaction_id
    masked = bytes(a ^ b for a, b in zip(ip.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if ip.version == 4 else 2, address[1] ^ (MAGIC_COOKIE >> 16)) + masked


@dataclass(frozen=True, slots=True)
class BindingOutcome:
    """What one message leads to: a datagram to send back, and whether this address may carry media now."""

    response: bytes | None
    authenticated: bool = False
    nominated: bool = False
    retired_ufrag: str | None = None
    """Set once: the credentials of before an ICE restart are over."""


_IGNORED = BindingOutcome(None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """One ICE session: the fragment and password given to the peer, and the peer's own fragment."""

    ufrag: str
    password: str
    remote_ufrag: str


class IceLiteAgent:
    """One session's credentials and consent. The peer is controlling; a peer that claims otherwise gets a 487.

    After a restart both credentials are answered, so that media go on over the old pair; the first nomination under
    the new ones ends the old (RFC 8445 §2.4, §8.3).
    """

    __slots__ = ("_consent_s", "_current", "_next", "rejected")

    def __init__(self, credentials: Credentials, now_s: float) -> None:
        self._current = credentials
        self._next: Credentials | None = None
        self._consent_s = now_s
        self.rejected = 0
        """Messages that named this agent and failed authentication."""

    @property
    def latest(self) -> Credentials:
        """What the peer was told last."""
        return self._next or self._current

    @property
    def ufrags(self) -> tuple[str, ...]:
        """Every fragment under which this agent answers."""
        return tuple(held.ufrag for held in (self._current, self._next) if held is not None)

    def restart(self, credentials: Credentials) -> str | None:
        """Answer to these too; gives the fragment of an earlier restart that was not nominated and is over."""
        replaced, self._next = self._next, credentials
        return replaced.ufrag if replaced is not None else None

    def handle(self, message: StunMessage, address: Address, now_s: float) -> BindingOutcome:
        """Answer one message from `address`; anything not authenticated changes nothing."""
        if message.kind != BINDING_REQUEST:
            return _IGNORED
        credentials = self._named_by(message)
        if not _authentic(message, credentials):
            self.rejected += 1
            return _IGNORED
        password = credentials.password
        unknown = [kind for kind in message.attributes if kind < 0x8000 and kind not in _KNOWN]
        if unknown:
            listed = b"".join(struct.pack("!H", kind) for kind in unknown)
            more = [(UNKNOWN_ATTRIBUTES, listed)]
            return BindingOutcome(_error(message, password, 420, b"Unknown Attribute", more))
        if ICE_CONTROLLED in message.attributes:
            return BindingOutcome(_error(message, password, 487, b"Role Conflict", []))
        self._consent_s = now_s
        mapped = xor_mapped_address(address, message.transaction_id)
        response = build_stun(BINDING_SUCCESS, message.transaction_id, [(XOR_MAPPED_ADDRESS, mapped)], password)
        nominated = USE_CANDIDATE in message.attributes
        retired = self._promote() if nominated and credentials is self._next else None
        return BindingOutcome(response, authenticated=True, nominated=nominated, retired_ufrag=retired)

    def consent_age_s(self, now_s: float) -> float:
        """Seconds since the peer last proved, by an authenticated request, that it wants this session (RFC 7675)."""
        return now_s - self._consent_s

    def _named_by(self, message: StunMessage) -> Credentials:
        if self._next is not None and message.local_ufrag == self._next.ufrag:
            return self._next
        return self._current

    def _promote(self) -> str:
        assert self._next is not None, "only new credentials are promoted"
        retired, self._current, self._next = self._current.ufrag, self._next, None
        return retired


def _authentic(message: StunMessage, credentials: Credentials) -> bool:
    if message.attributes.get(USERNAME) != f"{credentials.ufrag}:{credentials.remote_ufrag}".encode():
        return False
    expected = hmac.new(credentials.password.encode(), message.integrity_covers, hashlib.sha1).digest()
    given = message.attributes.get(MESSAGE_INTEGRITY, b"")
    return bool(message.integrity_covers) and hmac.compare_digest(expected, given)


def _error(message: StunMessage, password: str, code: int, reason: bytes, more: list[tuple[int, bytes]]) -> bytes:
    value = struct.pack("!HBB", 0, code // 100, code % 100) + reason
    return build_stun(BINDING_ERROR, message.transaction_id, [(ERROR_CODE, value), *more], password)


def new_credentials(random_bytes: Callable[[int], bytes]) -> tuple[str, str]:
    """Make (ufrag, password) of ice-chars: 64 and 144 bits of what `random_bytes` gives (RFC 8445 §5.3)."""
    return random_bytes(8).hex(), random_bytes(18).hex()
