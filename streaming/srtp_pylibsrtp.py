"""SRTP by libsrtp, without a copy a call: the only file that uses pylibsrtp and its binding.

pylibsrtp's own Session gives every session a 1,500-byte buffer, copies in and out, and refuses packets above 1,356
bytes. Here all sessions of the process share two buffers (the event loop is one thread). Does no I/O.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from pylibsrtp import Policy
from pylibsrtp._binding import ffi, lib

BUFFER_BYTES = 2048
MAX_TRAILER_BYTES = 16 + 4
"""The longest authentication tag, and SRTCP's index."""
MAX_PLAIN_BYTES = BUFFER_BYTES - MAX_TRAILER_BYTES
REPLAY_WINDOW = 1024
MAX_INBOUND_SSRCS = 64
"""SSRCs one peer may send under: libsrtp keeps 400 bytes for each and looks through all of them for every packet."""


class SrtpProfile(enum.Enum):
    """The protection profiles negotiated by DTLS; the value is libsrtp's number."""

    AES128_CM_SHA1_80 = Policy.SRTP_PROFILE_AES128_CM_SHA1_80
    AEAD_AES_128_GCM = Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    AEAD_AES_256_GCM = Policy.SRTP_PROFILE_AEAD_AES_256_GCM


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master keys, each followed by its salt, as RFC 5764 §4.2 derives them."""

    profile: SrtpProfile
    outbound: bytes
    inbound: bytes

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile.name}, …)"


def _create(profile: SrtpProfile, key: bytes, *, outbound: bool) -> Any:
    ssrc_type = Policy.SSRC_ANY_OUTBOUND if outbound else Policy.SSRC_ANY_INBOUND
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile.value)
    policy.allow_repeat_tx = True
    policy.window_size = REPLAY_WINDOW
    handle = ffi.new("srtp_t *")
    if lib.srtp_create(handle, policy._policy) != 0:
        raise ValueError("libsrtp refused the keys")
    return ffi.gc(handle, lambda pointer: lib.srtp_dealloc(pointer[0]))


class InboundSrtp:
    """Decrypts and authenticates what one peer sends; replays are refused, and SSRCs beyond `MAX_INBOUND_SSRCS`."""

    __slots__ = ("_owner", "_srtp", "_ssrcs")

    def __init__(self, keys: SrtpKeys) -> None:
        self._owner = _create(keys.profile, keys.inbound, outbound=False)
        self._srtp = self._owner[0]
        self._ssrcs: set[bytes] = set()

    def unprotect_rtp(self, data: bytes) -> bytes | None:
        """Give the plain RTP packet, None if it is forged, replayed or damaged."""
        return self._process(lib.srtp_unprotect, data, data[8:12])

    def unprotect_rtcp(self, data: bytes) -> bytes | None:
        """Give the plain RTCP compound, None if it is forged, replayed or damaged."""
        return self._process(lib.srtp_unprotect_rtcp, data, data[4:8])

    def _process(self, function: Any, data: bytes, ssrc: bytes) -> bytes | None:
        size, known = len(data), ssrc in self._ssrcs
        if not 12 <= size <= BUFFER_BYTES or (not known and len(self._ssrcs) >= MAX_INBOUND_SSRCS):
            return None
        _inbound[:size] = data
        _length[0] = size
        if function(self._srtp, _inbound_c, _length) != 0:
            return None
        if not known:
            self._ssrcs.add(ssrc)  # only what was authentic counts: a stranger cannot use the peer's number up
        return bytes(_inbound_view[: _length[0]])


class OutboundSrtp:
    """Protects what is sent to one peer, in place in the shared buffer `outbound_buffer`."""

    __slots__ = ("_owner", "srtp")

    def __init__(self, keys: SrtpKeys) -> None:
        self._owner = _create(keys.profile, keys.outbound, outbound=True)
        self.srtp = self._owner[0]

    def protect_rtp(self, packet: bytes) -> bytes | None:
        """Give the SRTP packet, None if libsrtp refuses it (too long, or a sequence number far too old)."""
        return self._process(lib.srtp_protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """Give the SRTCP packet, None if libsrtp refuses it."""
        return self._process(lib.srtp_protect_rtcp, packet)

    def _process(self, function: Any, packet: bytes) -> bytes | None:
        size = len(packet)
        if not 8 <= size <= MAX_PLAIN_BYTES:
            return None
        outbound_buffer[:size] = packet
        _length[0] = size
        if function(self.srtp, outbound_c, _length) != 0:
            return None
        return bytes(outbound_view[: _length[0]])


_inbound = bytearray(BUFFER_BYTES)
_inbound_view = memoryview(_inbound)
_inbound_c = ffi.from_buffer(_inbound)
_length = ffi.new("int *")

outbound_buffer = bytearray(BUFFER_BYTES)
"""Where the packet writer lays a plain packet before `srtp_protect` encrypts it in place."""
outbound_view = memoryview(outbound_buffer)
outbound_c = ffi.from_buffer(outbound_buffer)
outbound_length = _length
srtp_protect = lib.srtp_protect
